//! What is written is read again as it was: for every message and parameter of the tables.

use proptest::prelude::*;

use crate::{Decoding, Message, Version};

/// Where tests get arbitrary messages from.
pub(crate) struct Source {
    state: u64,
    version: Version,
    depth: u32,
}

impl Source {
    fn new(seed: u64, version: Version) -> Self {
        Self { state: seed, version, depth: 0 }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit.max(1) as u64) as usize
    }

    pub(crate) fn has(&self, since: Version) -> bool {
        since <= self.version
    }

    pub(crate) fn octets(&mut self, most: usize) -> Vec<u8> {
        let count = self.below(most + 1);
        (0..count).map(|_| self.number() as u8).collect()
    }

    pub(crate) fn some(&mut self, most: usize) -> bool {
        // Chains of errors and full reports end.
        self.depth < 12 && self.below(most + 2) > 0
    }

    pub(crate) fn part<T: Generated>(&mut self) -> T {
        self.depth += 1;
        let part = T::generate(self);
        self.depth -= 1;
        part
    }

    pub(crate) fn parts<T: Generated>(&mut self, least: usize, most: usize) -> Vec<T> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| self.part()).collect()
    }

    pub(crate) fn one_of<T>(&mut self, makers: &[Maker<T>]) -> T {
        let makers: Vec<_> = makers.iter().filter(|(since, _)| self.has(*since)).collect();
        let (_, make) = makers[self.below(makers.len())];
        make(self)
    }
}

/// Makes something that there is since a version.
pub(crate) type Maker<T> = (Version, fn(&mut Source) -> T);

/// Something that tests can make at random.
pub(crate) trait Generated: Sized {
    fn generate(source: &mut Source) -> Self;
}

macro_rules! field {
    ($source:ident u1) => {
        $source.number() & 1 != 0
    };
    ($source:ident u2) => {
        $source.number() as u8 & 3
    };
    ($source:ident s8) => {
        $source.number() as i8
    };
    ($source:ident s16) => {
        $source.number() as i16
    };
    ($source:ident u8) => {
        $source.number() as u8
    };
    ($source:ident u16) => {
        $source.number() as u16
    };
    ($source:ident u32) => {
        $source.number() as u32
    };
    ($source:ident u64) => {
        $source.number()
    };
    ($source:ident u96) => {
        std::array::from_fn(|_| $source.number() as u8)
    };
    ($source:ident u8s) => {
        $source.octets(9)
    };
    ($source:ident u16s) => {
        $source.octets(9).into_iter().map(|octet| u16::from(octet) * 255).collect()
    };
    ($source:ident u32s) => {
        $source.octets(9).into_iter().map(|octet| u32::from(octet) << 17).collect()
    };
    ($source:ident utf8) => {
        $source
            .octets(9)
            .into_iter()
            .map(|octet| char::from_u32(0x4E00 + u32::from(octet)).unwrap())
            .collect()
    };
    ($source:ident bits) => {{
        let octets = $source.octets(40);
        let count = (octets.len() * 8).saturating_sub($source.below(8));
        $crate::wire::Bits::new(&octets, count as u16)
    }};
    ($source:ident password) => {
        $crate::wire::Password($source.number() as u32)
    };
    ($source:ident rest) => {
        $source.octets(20)
    };
    ($source:ident $enumeration:ident) => {
        <$crate::enumeration::$enumeration>::arbitrary($source)
    };
}

macro_rules! part {
    (one $part:ident $source:ident $since:ident) => {
        $source.part::<$part>()
    };
    (opt $part:ident $source:ident $since:ident) => {
        ($source.has($since) && $source.some(1)).then(|| $source.part::<$part>())
    };
    (boxed $part:ident $source:ident $since:ident) => {
        ($source.has($since) && $source.some(1)).then(|| Box::new($source.part::<$part>()))
    };
    (any $part:ident $source:ident $since:ident) => {
        if $source.has($since) { $source.parts::<$part>(0, 3) } else { Vec::new() }
    };
    (some $part:ident $source:ident $since:ident) => {
        $source.parts::<$part>(1, 3)
    };
    (pair $part:ident $source:ident $since:ident) => {
        $source.parts::<$part>(1, 2)
    };
}

pub(crate) use {field, part};

fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V1_0_1), Just(Version::V1_1)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_is_read_as_it_was_written(seed: u64, id: u32, version in versions()) {
        let mut source = Source::new(seed, version);
        let makers: Vec<_> = Message::makers().into_iter().filter(|(since, _)| *since <= version).collect();
        for (_, make) in makers {
            let sent = make(&mut source);
            let bytes = sent.encode(version, id).unwrap();
            for mut decoding in [Decoding::strict(), Decoding::lenient()] {
                let (header, heard) = Message::decode(&bytes, &mut decoding)
                    .map_err(|fault| TestCaseError::fail(format!("{fault}: {sent:?}")))?;
                prop_assert_eq!((header.version, header.id), (version, id));
                prop_assert_eq!(&heard, &sent);
                prop_assert_eq!(decoding.skipped(), 0);
            }
        }
    }

    #[test]
    fn every_extension_is_read_as_it_was_written(seed: u64) {
        let mut source = Source::new(seed, Version::V1_0_1);
        crate::impinj::there_and_back(&mut source).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a_message_cut_short_or_with_a_changed_octet_harms_nobody(seed: u64, at: usize, to: u8) {
        let mut source = Source::new(seed, Version::V1_1);
        for (_, make) in Message::makers() {
            let mut bytes = make(&mut source).encode(Version::V1_1, 1).unwrap();
            let index = at % bytes.len();
            bytes[index] = to;
            let cut = &bytes[..index];
            for bytes in [&bytes, cut] {
                let _ = Message::decode(bytes, &mut Decoding::strict());
                if let Ok((header, message)) = Message::decode(bytes, &mut Decoding::lenient()) {
                    // What was kept of it can be said again, unless it is newer than its version
                    // or something that must be there was lost.
                    if let Ok(again) = message.encode(header.version, header.id) {
                        let heard = Message::decode(&again, &mut Decoding::lenient());
                        prop_assert_eq!(heard.map(|(_, message)| message), Ok(message));
                    }
                }
            }
        }
    }

    #[test]
    fn what_1_0_1_lacks_is_not_written_in_it(seed: u64) {
        let mut source = Source::new(seed, Version::V1_1);
        for (since, make) in Message::makers() {
            let message = make(&mut source);
            match message.encode(Version::V1_0_1, 1) {
                Err(_) => {}
                Ok(bytes) => {
                    prop_assert_eq!(since, Version::V1_0_1);
                    prop_assert!(Message::decode(&bytes, &mut Decoding::strict()).is_ok());
                }
            }
        }
    }
}
