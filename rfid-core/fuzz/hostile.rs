//! What any bytes may do to the decoders of `rfid-core`: nothing bad.
//!
//! Each function is a fuzz target (`targets/`), and the crate's tests call it with random bytes,
//! so it runs where there is no fuzzer. It panics when a promise is broken.

use rfid_core::epc::{Epc, uri_of};

/// What is decoded leads back to the same bits; everything else has a raw URI.
pub(crate) fn epc(bytes: &[u8]) {
    assert!(!uri_of(bytes).is_empty());
    let Ok(epc) = Epc::decode(bytes) else { return };
    let again = Epc::new(epc.scheme(), epc.filter(), epc.parts().to_vec());
    assert_eq!(again.as_ref().map(Epc::parts), Ok(epc.parts()));
    if let Some(uri) = epc.tag_uri() {
        let back = Epc::from_tag_uri(&uri).unwrap_or_else(|fault| panic!("{uri}: {fault}"));
        assert_eq!(back, epc);
        let whole_bytes = back.bits().len() / 8;
        assert_eq!(back.bits().bytes()[..whole_bytes], bytes[..whole_bytes], "{uri}");
        let left = back.bits().len() % 8;
        if left > 0 {
            let ours = back.bits().bytes()[whole_bytes] ^ bytes[whole_bytes];
            assert_eq!(ours >> (8 - left), 0, "{uri}");
        }
    } else {
        // A plus scheme can write the same text in several ways.
        let link = epc.digital_link().expect("a plus scheme has a Digital Link");
        let back = Epc::from_key(&link, epc.filter()).unwrap_or_else(|fault| panic!("{link}: {fault}"));
        // A link to the host of GS1 names no host of its own.
        let key = |epc: &Epc| epc.elements();
        assert_eq!(key(&back), key(&epc), "{link}");
        assert!(back.parts() == epc.parts() || link.starts_with("https://id.gs1.org/"), "{link}");
    }
}
