//! The published vectors of TDS 1.13 §E.3 and 2.3 §E.3, what must be refused, and properties.

use proptest::prelude::*;

use super::*;

#[path = "../../fuzz/hostile.rs"]
mod hostile;

/// Hexadecimal digits as printed, which do not always fill words, and the tag URI behind
/// `urn:epc:tag:`.
const PUBLISHED: [(&str, &str); 40] = [
    ("3074257BF7194E4000001A85", "sgtin-96:3.0614141.812345.6789"),
    ("3674257BF6B7A659B2C2BF100000000000000000000000000000", "sgtin-198:3.0614141.712345.32a%2Fb"),
    ("3174257BF4499602D2000000", "sscc-96:3.0614141.1234567890"),
    ("3274257BF46072000000162E", "sgln-96:3.0614141.12345.5678"),
    ("3974257BF46072CD9615F8800000000000000000000000000", "sgln-195:3.0614141.12345.32a%2Fb"),
    ("3374257BF40C0E400000162E", "grai-96:3.0614141.12345.5678"),
    ("3774257BF40C0E59B2C2BF100000000000000000000", "grai-170:3.0614141.12345.32a%2Fb"),
    ("3474257BF40000000000162E", "giai-96:3.0614141.5678"),
    ("3874257BF59B2C2BF10000000000000000000000000000000000", "giai-202:3.0614141.32a%2Fb"),
    ("2D74257BF4499602D2000000", "gsrn-96:3.0614141.1234567890"),
    ("2E74257BF4499602D2000000", "gsrnp-96:3.0614141.1234567890"),
    ("2C74257BF46072000000162E", "gdti-96:3.0614141.12345.5678"),
    ("3E74F4E4E7039B061438997367D0C18B266D1AB66EE0", "gdti-174:3.4012345.98765.ABCDefgh012345678"),
    ("3C74257BF400C0E680003039", "cpi-96:3.0614141.98765.12345"),
    ("3D74257BF75411DEF6B4CC00000003039", "cpi-var:3.0614141.5PQ7%2FZ43.12345"),
    ("3F74F4E4E612640000019907", "sgcn-96:3.4012345.67890.04711"),
    ("350007AB70425D4000000586", "gid-96:31415.271828.1414"),
    ("2F320434147455900000162E", "usdod-96:3.CAGEY.5678"),
    ("3B0E0CF5E76C9047759AD00373DC7602E7200", "adi-var:3.35962.PQ7VZ4.M37GXB92"),
    ("4014F4E4E40C0E40820000000F54", "itip-110:0.4012345.012345.01.02.981"),
    ("4114F4E4E40C0E4082DBDD8B36600000000000000000000000000000", "itip-212:0.4012345.012345.01.02.mw133"),
    ("3066C4409047E140075BCD15", "sgtin-96:3.95060001343.05.123456789"),
    ("3666C4409047E159B2C2BF100000000000000000000000000000", "sgtin-198:3.95060001343.05.32a%2Fb"),
    ("311BA1B300CE0A6A83000000", "sscc-96:0.952012.03456789123"),
    ("3276451FD46072000000162E", "sgln-96:3.9521141.12345.5678"),
    ("3976451FD46072CD9615F8800000000000000000000000000000", "sgln-195:3.9521141.12345.32a%2Fb"),
    ("3376451FD40C0E400000162E", "grai-96:3.9521141.12345.5678"),
    ("3776451FD40C0E59B2C2BF1000000000000000000000", "grai-170:3.9521141.12345.32a%2Fb"),
    ("3476451FD40000000000162E", "giai-96:3.9521141.5678"),
    ("3876451FD59B2C2BF10000000000000000000000000000000000", "giai-202:3.9521141.32a%2Fb"),
    ("2D76451FD4499602D2000000", "gsrn-96:3.9521141.1234567890"),
    ("2E76451FD4499602D2000000", "gsrnp-96:3.9521141.1234567890"),
    ("2C76451FD46072000000162E", "gdti-96:3.9521141.12345.5678"),
    ("3E76451FD7039B061438997367D0C18B266D1AB66EE0", "gdti-174:3.9521141.98765.ABCDefgh012345678"),
    ("3C76451FD400C0E680003039", "cpi-96:3.9521141.98765.12345"),
    ("3D76451FD75411DEF6B4CC00000003039000", "cpi-var:3.9521141.5PQ7%2FZ43.12345"),
    ("3F76451FD612640000019907", "sgcn-96:3.9521141.67890.04711"),
    ("3500E86F8000A9E000000586", "gid-96:952056.2718.1414"),
    ("4076451FD40C0E40820000000F54", "itip-110:3.9521141.012345.01.02.981"),
    ("4176451FD40C0E4082DBDD8B36600000000000000000000000000000", "itip-212:3.9521141.012345.01.02.mw133"),
];

/// The same for schemes without URIs: filter value and element string.
const PUBLISHED_PLUS: [(&str, u8, &str); 12] = [
    ("F73795211411234538566CB0AFC4", 3, "(01)79521141123453(21)32a/b"),
    ("FB342CDE795211411234538566CB0AFC4", 3, "(01)79521141123453(21)32a/b(17)220630"),
    ("F90095201234567891235", 0, "(00)095201234567891235"),
    ("F2395211411234548566CB0AFC4", 3, "(414)9521141123454(254)32a/b"),
    ("F13095211411234548566CB0AFC4", 3, "(8003)0952114112345432a/b"),
    ("FA3952114132E83C2BF10", 3, "(8004)952114132a/b"),
    ("F43952114112345678906", 3, "(8018)952114112345678906"),
    ("F53952114112345678906", 3, "(8017)952114112345678906"),
    ("F6395211411234540458B8", 3, "(253)95211411234545678"),
    ("F0395211415E87A145BAFB4D19A8C0E4", 3, "(8010)95211415PQ7/Z43(8011)12345"),
    ("F839521141678909509338", 3, "(255)952114167890904711"),
    ("F3309521141123454010266AE27FDF35", 3, "(8006)095211411234540102(21)rif981"),
];

/// Digits as bytes; an odd one at the end is followed by zero bits, as on a tag.
fn bytes(digits: &str) -> Vec<u8> {
    let mut bits = Bits::default();
    for digit in digits.chars() {
        bits.put(u128::from(digit.to_digit(16).unwrap()), 4);
    }
    bits.bytes().to_vec()
}

/// The digits of both, as far as words fill the shorter one.
fn assert_same_bits(epc: &Epc, digits: &str) {
    let encoded = format!("{:X}", epc.bits());
    let (short, long) = if encoded.len() < digits.len() { (&*encoded, digits) } else { (digits, &*encoded) };
    let (front, fill) = long.split_at(short.len());
    assert_eq!(front, short, "{epc:?}");
    assert!(fill.bytes().all(|digit| digit == b'0'), "{epc:?}");
}

#[test]
fn published_tag_uris_decode_and_encode() {
    for (digits, uri) in PUBLISHED {
        let uri = format!("urn:epc:tag:{uri}");
        let decoded = Epc::decode(&bytes(digits)).unwrap_or_else(|fault| panic!("{uri}: {fault}"));
        assert_eq!(decoded.tag_uri().as_deref(), Some(&*uri));
        let encoded = Epc::from_tag_uri(&uri).unwrap();
        assert_eq!(encoded, decoded);
        assert_same_bits(&encoded, digits);
        let identity = decoded.identity_uri().unwrap();
        let again = Epc::from_identity_uri(&identity, decoded.filter()).unwrap();
        assert_eq!(again.identity_uri(), Some(identity));
    }
}

#[test]
fn published_plus_vectors_decode_and_encode() {
    for (digits, filter, elements) in PUBLISHED_PLUS {
        let decoded = Epc::decode(&bytes(digits)).unwrap_or_else(|fault| panic!("{elements}: {fault}"));
        assert_eq!(decoded.filter(), filter);
        assert_eq!(decoded.element_string().as_deref(), Some(elements));
        assert_eq!(decoded.tag_uri(), None);
        let encoded = Epc::from_key(elements, filter).unwrap_or_else(|fault| panic!("{elements}: {fault}"));
        assert_same_bits(&encoded, digits);
        let link = decoded.digital_link().unwrap();
        assert_eq!(Epc::from_key(&link, filter).unwrap(), encoded, "{link}");
    }
}

#[test]
fn published_plus_plus_vectors_carry_a_host_name() {
    for (digits, link) in [
        (
            "FD3795211411234538566CB0AFC525065F1876F0D996D800",
            "https://id.example.com/01/79521141123453/21/32a%2Fb",
        ),
        ("E7395211411234567890692832F8C3B786CCB6C0", "https://id.example.com/8018/952114112345678906"),
    ] {
        let decoded = Epc::decode(&bytes(digits)).unwrap_or_else(|fault| panic!("{link}: {fault}"));
        assert_eq!(decoded.digital_link().as_deref(), Some(link));
        let encoded = Epc::from_key(link, decoded.filter()).unwrap();
        assert_eq!(encoded, decoded);
        assert_same_bits(&encoded, digits);
    }
}

#[test]
fn keys_have_their_check_digits() {
    for (uri, elements) in [
        ("urn:epc:tag:sgtin-96:3.0614141.812345.6789", "(01)80614141123458(21)6789"),
        ("urn:epc:tag:sscc-96:0.952012.03456789123", "(00)095201234567891235"),
        ("urn:epc:tag:sgln-96:3.9521141.12345.5678", "(414)9521141123454(254)5678"),
        ("urn:epc:tag:sgln-96:3.9521141.12345.0", "(414)9521141123454"),
        ("urn:epc:tag:grai-96:3.9521141.12345.5678", "(8003)095211411234545678"),
        ("urn:epc:tag:gsrn-96:0.9521141.1234567890", "(8018)952114112345678906"),
        ("urn:epc:tag:itip-110:0.9521141.012345.01.02.981", "(8006)095211411234540102(21)981"),
    ] {
        assert_eq!(Epc::from_tag_uri(uri).unwrap().element_string().as_deref(), Some(elements), "{uri}");
    }
    assert_eq!(Epc::from_tag_uri("urn:epc:tag:gid-96:1.2.3").unwrap().digital_link(), None);
    assert_eq!(check_digit("95211411234567890"), Some('6'));
    assert_eq!(check_digit("9521a"), None);
}

#[test]
fn a_prefix_of_twelve_digits_leaves_an_empty_reference() {
    let epc = Epc::from_tag_uri("urn:epc:tag:sgln-96:5.000000000001..0").unwrap();
    assert_eq!(Epc::decode(epc.bits().bytes()).unwrap().tag_uri(), epc.tag_uri());
}

#[test]
fn dots_of_a_serial_are_its_own() {
    let uri = "urn:epc:tag:sgtin-198:3.0614141.712345.1.2..3";
    let epc = Epc::from_tag_uri(uri).unwrap();
    assert_eq!(epc.parts().last().unwrap(), "1.2..3");
    assert_eq!(Epc::decode(epc.bits().bytes()).unwrap().tag_uri().as_deref(), Some(uri));
}

#[test]
fn an_identity_takes_the_shortest_scheme_that_can_hold_it() {
    let scheme = |uri| Epc::from_identity_uri(uri, 0).unwrap().scheme();
    assert_eq!(scheme("urn:epc:id:sgtin:0614141.812345.6789"), Scheme::Sgtin96);
    assert_eq!(scheme("urn:epc:id:sgtin:0614141.812345.06789"), Scheme::Sgtin198);
    assert_eq!(scheme("urn:epc:id:giai:0614141.5678"), Scheme::Giai96);
    assert_eq!(scheme("urn:epc:id:giai:0614141.32a%2Fb"), Scheme::Giai202);
}

#[test]
fn wrong_bits_are_refused_with_the_reason() {
    for (digits, reason) in [
        ("", "there are no bits"),
        ("000000000000000000000000", "the tag is not programmed (header 00)"),
        ("E28011606000020000000000", "header E2 is that of a tag's own serial number (TID), not of an EPC"),
        ("CE0000000000000000000000", "header CE begins no scheme that is in use"),
        ("301C00000000000000000000", "sgtin-96: partition: 7 is not a partition value"),
        ("3017FFFFFC00000000000000", "sgtin-96: company prefix: more than 7 digits"),
        ("3014257BF7FFFFC000001A85", "sgtin-96: item reference: more than 6 digits"),
        ("3074257BF7194E400000", "sgtin-96: serial: the tag has too few bits"),
        ("2D74257BF4499602D2000001", "gsrn-96: fill: bits that must be zero are not"),
        ("3F74F4E4E612640000000001", "sgcn-96: serial: there is nothing"),
        ("3F74F4E4E612640000000005", "sgcn-96: serial: the digit 1 in front of the digits is missing"),
        ("F43952114112345678907", "gsrn+: GSRN: the check digit does not fit"),
        ("F43A52114112345678906", "gsrn+: GSRN: not a decimal number"),
        ("FB3D2CDE795211411234538566CB0AFC4", "dsgtin+: date: no such kind"),
    ] {
        let fault = Epc::decode(&bytes(digits)).unwrap_err();
        assert_eq!(fault.to_string(), reason, "{digits}");
    }
    let behind = "3674257BF6B7A659B2C2BF100000000000000000000000001000";
    assert_eq!(
        Epc::decode(&bytes(behind)).unwrap_err().to_string(),
        "sgtin-198: serial: bits behind the end of the text are not zero"
    );
}

#[test]
fn wrong_uris_and_keys_are_refused_with_the_reason() {
    for (uri, reason) in [
        (
            "urn:epc:id:gsrn:9521141.1234567890",
            "this is not a tag URI, as in urn:epc:tag:gsrn-96:0.9521141.1234567890",
        ),
        ("urn:epc:tag:gsrn-64:0.9521141.1234567890", "there is no scheme \"gsrn-64\""),
        ("urn:epc:tag:sgtin+:0.9521141.1234567890", "there is no scheme \"sgtin+\""),
        ("urn:epc:tag:gsrn-96:8.9521141.1234567890", "gsrn-96: filter: the number is too large"),
        (
            "urn:epc:tag:gsrn-96:0.95211.1234567890",
            "gsrn-96: company prefix: a company prefix has 6 to 12 digits",
        ),
        ("urn:epc:tag:gsrn-96:0.9521141.123456789", "gsrn-96: serial reference: 10 digits are needed"),
        ("urn:epc:tag:gsrn-96:0.9521141", "gsrn-96: serial reference: missing"),
        (
            "urn:epc:tag:sgtin-96:0.9521141.123456.07",
            "sgtin-96: serial: a number is written without zeros in front",
        ),
        ("urn:epc:tag:sgtin-96:0.9521141.123456.274877906944", "sgtin-96: serial: the number is too large"),
        ("urn:epc:tag:sgtin-96:0.9521141.123456.7.8", "sgtin-96: serial: not a decimal number"),
        ("urn:epc:tag:sgtin-198:0.9521141.123456.a/b", "sgtin-198: serial: '/' is written as %2F"),
        ("urn:epc:tag:sgtin-198:0.9521141.123456.é", "sgtin-198: serial: 'é' may not stand here"),
        ("urn:epc:tag:usdod-96:0.CAGIY.1", "usdod-96: CAGE code: 'I' may not stand here"),
        ("urn:epc:tag:adi-var:0.35962.PQ%237.1", "adi-var: part: '#' may not stand here"),
    ] {
        assert_eq!(Epc::from_tag_uri(uri).unwrap_err().to_string(), reason, "{uri}");
    }
    for (key, reason) in [
        ("(8018)952114112345678907", "gsrn+: GSRN: the check digit does not fit"),
        ("(8018)9521141", "gsrn+: GSRN: 18 digits are needed"),
        (
            "(8018)952114112345678906(21)5",
            "this is not a key without further elements, which no EPC can carry",
        ),
        ("(99)1", "this is not a key of GS1 that a tag can carry"),
        ("8018", "this is not a GS1 Digital Link, as in https://id.gs1.org/8018/952114112345678906"),
    ] {
        assert_eq!(Epc::from_key(key, 0).unwrap_err().to_string(), reason, "{key}");
    }
}

#[test]
fn raw_uris_keep_every_bit() {
    for uri in [
        "urn:epc:raw:96.x2D76451FD4499602D2000000",
        "urn:epc:raw:[att=x01][umi=1][xpc=x0001]16.x00FF",
        "urn:epc:raw:32.xA2.xE2801160",
    ] {
        assert_eq!(RawEpc::parse(uri).unwrap().to_string(), uri);
    }
    assert_eq!(RawEpc::parse("urn:epc:raw:16.255").unwrap().to_string(), "urn:epc:raw:16.x00FF");
    for wrong in [
        "urn:epc:raw:16.65536",
        "urn:epc:raw:16.x0FF",
        "urn:epc:raw:0.x",
        "urn:epc:raw:12.xFFF",
        "urn:epc:raw:16.xZZZZ",
    ] {
        assert!(RawEpc::parse(wrong).is_err(), "{wrong}");
    }
    let pc = ProtocolControl(0x1101 | 0x0400);
    assert_eq!(
        RawEpc::with_pc(pc, None, &[1, 2, 3, 4, 5, 6]).to_string(),
        "urn:epc:raw:[umi=1]32.x01.x01020304"
    );
    assert_eq!(uri_of(&bytes("2D16451FD4499602D2000000")), "urn:epc:id:gsrn:9521141.1234567890");
    assert_eq!(uri_of(&bytes("F43952114112345678906")), "https://id.gs1.org/8018/952114112345678906");
}

/// A small generator with a fixed seed (xorshift64*): a million cases of it are the same million
/// each time.
struct Random(u64);

impl Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let random = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}

#[test]
fn a_million_random_epcs_neither_panic_nor_get_a_uri_that_does_not_encode_back() {
    let mut random = Random(0x5EED);
    let mut epc = [0; 16];
    let mut decoded = 0;
    for case in 0..1_000_000usize {
        random.fill(&mut epc);
        // Every other one has a header that is in use, or hardly any would be looked into.
        if case % 2 == 0 {
            epc[0] = LAYOUTS[case / 2 % LAYOUTS.len()].header;
        }
        for len in [12, 16] {
            decoded += u32::from(Epc::decode(&epc[..len]).is_ok());
            hostile::epc(&epc[..len]);
        }
    }
    assert!(decoded > 50_000, "only {decoded} were decoded: the test looks at nothing");
}

/// Text of an alphabet, one to `most` characters.
fn text(alphabet: &'static str, most: usize) -> impl Strategy<Value = String> {
    let characters: Vec<char> = alphabet.chars().collect();
    proptest::collection::vec(proptest::sample::select(characters), 1..=most)
        .prop_map(|characters| characters.into_iter().collect())
}

const GRAPHIC: &str = "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz";

proptest! {
    #[test]
    fn any_bits_lead_back(epc in proptest::collection::vec(any::<u8>(), 0..64), header in 0..LAYOUTS.len()) {
        let mut epc = epc;
        if let Some(first) = epc.first_mut() {
            *first = LAYOUTS[header].header;
        }
        hostile::epc(&epc);
    }

    #[test]
    fn what_is_encoded_is_decoded(
        prefix in "[0-9]{6,12}",
        reference in "[0-9]{11}",
        serial in text(GRAPHIC, 16),
        number in 0u64..1 << 31,
        filter in 0u8..8,
    ) {
        let missing = 12 - prefix.len();
        let item = &reference[..=missing];
        let service = &reference[..missing + 5];
        let class = &reference[..missing];
        let serial = escape_for_test(&serial);
        for uri in [
            format!("sgtin-96:{filter}.{prefix}.{item}.{number}"),
            format!("sgtin-198:{filter}.{prefix}.{item}.{serial}"),
            format!("sscc-96:{filter}.{prefix}.{service}"),
            format!("gsrn-96:{filter}.{prefix}.{service}"),
            format!("sgln-195:{filter}.{prefix}.{class}.{serial}"),
            format!("grai-170:{filter}.{prefix}.{class}.{serial}"),
            format!("giai-202:{filter}.{prefix}.{serial}"),
            format!("gdti-174:{filter}.{prefix}.{class}.{serial}"),
            format!("itip-212:{filter}.{prefix}.{item}.01.02.{serial}"),
            format!("cpi-var:{filter}.{prefix}.A-{number}.{number}"),
            format!("sgcn-96:{filter}.{prefix}.{class}.0{number}"),
            format!("adi-var:{filter}.CAGE7..%23{number}"),
        ] {
            let uri = format!("urn:epc:tag:{uri}");
            let epc = Epc::from_tag_uri(&uri).unwrap();
            let decoded = Epc::decode(epc.bits().bytes()).unwrap();
            prop_assert_eq!(decoded.tag_uri(), Some(uri));
            hostile::epc(epc.bits().bytes());
        }
    }

    #[test]
    fn any_text_is_a_uri_or_refused(uri in "urn:epc:(tag|id|raw):[a-z]{0,6}(-96|-198|-var)?:?[0-9A-Za-z.%\\[\\]=]{0,30}") {
        let _ = Epc::from_tag_uri(&uri);
        let _ = Epc::from_identity_uri(&uri, 0);
        let _ = RawEpc::parse(&uri);
        let _ = Epc::from_key(&uri, 0);
    }
}

fn escape_for_test(part: &str) -> String {
    part.chars().fold(String::new(), |text, character| match character {
        '"' | '%' | '&' | '/' | '<' | '>' | '?' => format!("{text}%{:02X}", u32::from(character)),
        other => format!("{text}{other}"),
    })
}
