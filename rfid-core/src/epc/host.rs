//! Host names in the "++" schemes (EPC Tag Data Standard 2.3; codes from the tables A and B1 to B4
//! of the Tag Data Translation artefacts 2.3).
//!
//! A host name is a bit for its kind, its length in six bits, and its codes: URN Code 40 with the
//! length in characters, or codes of seven bits with the length in codes. Some of those stand for
//! a piece of a host name; the four lowest announce that seven more bits belong to them.

use super::bits::{BitReader, Bits};
use super::fault::Wrong;
use super::plus;
use super::text::in_alphabet;

/// Longest host name, in codes or characters.
const MOST: usize = 63;

/// Pieces with a code of seven bits.
const PIECES: [(u8, &str); 13] = [
    (0x1E, "qr."),
    (0x1F, "www."),
    (0x20, "id."),
    (0x5B, ".com"),
    (0x5C, ".org"),
    (0x5D, ".net"),
    (0x5E, ".int"),
    (0x60, ".edu"),
    (0x7B, ".gov"),
    (0x7C, ".mil"),
    (0x7D, ".biz"),
    (0x7E, ".eco"),
    (0x7F, ".med"),
];

/// Pieces with a code of fourteen bits: the first code of each run, and its pieces without the
/// dot in front. Top-level domains of regions, the same, compound ones, generic ones.
const LONG_PIECES: [(u16, &str); 4] = [
    (
        0x000,
        "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo bq br bs bt bw by \
         bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et eu fi \
         fj fk fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io \
         iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li",
    ),
    (
        0x080,
        "lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni \
         nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si \
         sk sl sm sn sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug us uy uz va vc \
         ve vg vi vn vu wf ws ye yt za zm zw",
    ),
    (
        0x100,
        "com.au net.au org.au co.at com.bd co.bd com.br net.br co.nz com.ng com.pk co.in com.in co.il co.jp co.za \
         co.kr com.es com.lk co.th co.tt com.tt com.tr biz.tr com.ua co.uk co.zm com.zm com.cn org.cn net.cn \
         gov.cn",
    ),
    (0x180, "tech"),
];

/// First seven bits above which a code is complete.
const LAST_LONG: u8 = 0x03;

/// All pieces with their codes and how many bits these have.
fn pieces() -> impl Iterator<Item = (u16, usize, String)> {
    let short = PIECES.into_iter().map(|(code, piece)| (u16::from(code), 7, piece.to_owned()));
    let long = LONG_PIECES.into_iter().flat_map(|(first, list)| {
        list.split_whitespace().zip(first..).map(|(piece, code)| (code, 14, format!(".{piece}")))
    });
    short.chain(long)
}

fn is_host(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-' || character == '.'
}

/// Reads a host name.
pub(super) fn take(reader: &mut BitReader<'_>) -> Result<String, Wrong> {
    let mut take = |bits| reader.take_u8(bits).ok_or(Wrong::TooShort);
    let (kind, len) = (take(1)?, usize::from(take(6)?));
    if kind == 0 {
        let host = plus::take_urn_code_40(reader, len)?;
        in_alphabet(&host, 1, MOST, is_host)?;
        return Ok(host);
    }
    let mut host = String::new();
    let mut left = len;
    while left > 0 {
        let code = take(7)?;
        left -= 1;
        if code <= LAST_LONG {
            left = left.checked_sub(1).ok_or(Wrong::NoEnd)?;
            let code = u16::from(code) << 7 | u16::from(take(7)?);
            let (.., piece) =
                pieces().find(|(known, bits, _)| *known == code && *bits == 14).ok_or(Wrong::Kind)?;
            host.push_str(&piece);
        } else if let Some((_, piece)) = PIECES.iter().find(|(known, _)| *known == code) {
            host.push_str(piece);
        } else {
            host.push(char::from(code));
        }
    }
    in_alphabet(&host, 1, usize::MAX, is_host)?;
    Ok(host)
}

/// Writes a host name in as few codes of seven bits as there can be.
pub(super) fn put(bits: &mut Bits, host: &str) -> Result<(), Wrong> {
    in_alphabet(host, 1, usize::MAX, is_host)?;
    let pieces: Vec<_> = pieces().collect();
    // The shortest way to write what begins at each place, from the end to the front: how many
    // codes, and which one comes first.
    let mut ways: Vec<(usize, u16, usize, usize)> = vec![(0, 0, 0, 0)];
    for at in (0..host.len()).rev() {
        let rest = host.get(at..).unwrap_or_default();
        let behind = |len: usize| ways.iter().rev().nth(len - 1).map_or(0, |(codes, ..)| *codes);
        let character = rest.bytes().next().unwrap_or_default();
        let mut best = (1 + ways.last().map_or(0, |(codes, ..)| *codes), u16::from(character), 7, 1);
        for (code, width, piece) in &pieces {
            if rest.starts_with(piece.as_str()) {
                let way = (width / 7 + behind(piece.len()), *code, *width, piece.len());
                best = best.min(way);
            }
        }
        ways.push(best);
    }
    ways.reverse();
    let codes = ways.first().map_or(0, |(codes, ..)| *codes);
    if codes > MOST {
        return Err(Wrong::TooLong { most: MOST });
    }
    bits.put(1, 1);
    bits.put(codes as u128, 6);
    let mut at = 0;
    while let Some((1.., code, width, len)) = ways.get(at).copied() {
        bits.put(u128::from(code), width);
        at += len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codes(host: &str) -> u128 {
        let mut bits = Bits::default();
        put(&mut bits, host).unwrap();
        let mut reader = BitReader::new(bits.bytes());
        assert_eq!(reader.take(1), Some(1));
        reader.take(6).unwrap()
    }

    #[test]
    fn pieces_make_a_host_name_short() {
        assert_eq!(codes("id.example.com"), 9);
        assert_eq!(codes("example.com.cn"), 9, "one long code is shorter than a short and a long one");
        assert_eq!(codes("example.de"), 9);
        assert_eq!(codes("a"), 1);
        assert!(put(&mut Bits::default(), &"x".repeat(64)).is_err());
        assert_eq!(put(&mut Bits::default(), "a/b"), Err(Wrong::Character('/')));
    }

    #[test]
    fn the_tables_are_whole() {
        let count =
            |first: u16| pieces().filter(|(code, bits, _)| *bits == 14 && code & 0x380 == first).count();
        assert_eq!([count(0x000), count(0x080), count(0x100), count(0x180)], [128, 117, 32, 1]);
        let code_of = |piece: &str| pieces().find(|(.., known)| known == piece).map(|(code, ..)| code);
        assert_eq!(code_of(".li"), Some(0b1111111));
        assert_eq!(code_of(".zw"), Some(0b11110100));
        assert_eq!(code_of(".gov.cn"), Some(0b100011111));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(host in "(www\\.|id\\.)?[a-z0-9-]{1,12}(\\.[a-z]{1,4}){0,3}(\\.com|\\.cn|\\.co\\.uk|\\.tech)?") {
            let mut bits = Bits::default();
            put(&mut bits, &host).unwrap();
            prop_assert_eq!(take(&mut BitReader::new(bits.bytes())), Ok(host));
        }
    }
}
