//! From one line in a table to a structure that is read and written.
//!
//! The tables are in [`crate::parameter`], [`crate::message`] and [`crate::impinj`]. An entry is
//! `NUMBER NAME [since V1_1] = OCTETS { fields ; parameters }`: the octets are those of the
//! element without its variable parts, and the compiler checks them against the fields. A field is
//! `name: KIND [+ RESERVED BITS BEHIND IT] [since V1_1]`; a parameter is
//! `name: one|opt|boxed|any|some|pair NAME [since V1_1]`, in the order in which it is written.

use crate::wire::{Decoding, Encoder, Head, Reader};
use crate::{EncodeFault, Fault, Version};

/// A parameter, or one of several that may stand in the same place.
pub trait Parameter: Sized {
    /// What the standard calls it.
    const NAME: &'static str;

    /// Whether a parameter with this number is one.
    fn takes(number: u16) -> bool;

    /// Reads one whose header was read.
    ///
    /// # Errors
    /// What makes it none.
    fn decode(head: &mut Head<'_>, decoding: &mut Decoding) -> Result<Self, Fault>;

    /// Writes it, its header included.
    ///
    /// # Errors
    /// What cannot be written in this version.
    fn encode(&self, encoder: &mut Encoder) -> Result<(), EncodeFault>;

    /// A parameter that stands for itself, as in the data of a vendor's message.
    ///
    /// # Errors
    /// What makes it none.
    fn from_bytes(bytes: &[u8], decoding: &mut Decoding) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes, 0, Self::NAME);
        let head = reader.parameter(decoding)?;
        let missing = reader.fault(crate::FaultKind::Missing(Self::NAME));
        match head {
            Some(mut head) if Self::takes(head.number) => Self::decode(&mut head, decoding),
            _ => Err(missing),
        }
    }

    /// The bytes of [`Parameter::from_bytes`].
    ///
    /// # Errors
    /// What cannot be written in this version.
    fn to_bytes(&self, version: Version) -> Result<Vec<u8>, EncodeFault> {
        let mut encoder = Encoder::new(Vec::new(), version, Self::NAME);
        self.encode(&mut encoder)?;
        Ok(encoder.bytes)
    }
}

/// Fields and parameters of something, without its header.
pub(crate) trait Body: Sized {
    const OCTETS: usize;

    fn decode_body(reader: &mut Reader<'_>, decoding: &mut Decoding) -> Result<Self, Fault>;

    fn encode_body(&self, encoder: &mut Encoder) -> Result<(), EncodeFault>;

    #[cfg(test)]
    fn arbitrary(source: &mut crate::identity_tests::Source) -> Self;
}

/// An entry of the tables.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Number of the message or parameter.
    pub number: u16,
    /// What the standard calls it.
    pub name: &'static str,
    /// First version that has it.
    pub since: Version,
    /// Octets without variable parts, the header included.
    pub octets: usize,
    /// Its fields, in order.
    pub fields: &'static [&'static str],
    /// What may stand in it, in order.
    pub parts: &'static [Part],
}

/// A parameter that may stand in another or in a message.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Name of the parameter, or of the alternatives.
    pub name: &'static str,
    /// Whether a parameter with this number may stand there.
    pub takes: fn(u16) -> bool,
    /// How many there must be.
    pub least: usize,
    /// How many there may be.
    pub most: usize,
    /// First version in which it may stand there.
    pub since: Version,
}

/// What holds a part.
macro_rules! held {
    (one $part:ident) => { $part };
    (opt $part:ident) => { Option<$part> };
    (boxed $part:ident) => { Option<Box<$part>> };
    ($many:ident $part:ident) => { Vec<$part> };
}

macro_rules! least {
    (one) => {
        1
    };
    (some) => {
        1
    };
    (pair) => {
        1
    };
    ($other:ident) => {
        0
    };
}

macro_rules! most {
    (any) => {
        usize::MAX
    };
    (some) => {
        usize::MAX
    };
    (pair) => {
        2
    };
    ($other:ident) => {
        1
    };
}

macro_rules! part {
    (new one $part:ident) => {
        None::<$part>
    };
    (new opt $part:ident) => {
        None::<$part>
    };
    (new boxed $part:ident) => {
        None::<Box<$part>>
    };
    (new $many:ident $part:ident) => {
        Vec::<$part>::new()
    };

    (count one $held:expr) => {
        usize::from($held.is_some())
    };
    (count opt $held:expr) => {
        usize::from($held.is_some())
    };
    (count boxed $held:expr) => {
        usize::from($held.is_some())
    };
    (count $many:ident $held:expr) => {
        $held.len()
    };

    (put one $held:ident $value:expr) => {
        $held = Some($value)
    };
    (put opt $held:ident $value:expr) => {
        $held = Some($value)
    };
    (put boxed $held:ident $value:expr) => {
        $held = Some(Box::new($value))
    };
    (put $many:ident $held:ident $value:expr) => {
        $held.push($value)
    };

    (done one $held:ident, $missing:expr) => {
        $held.ok_or($missing)?
    };
    (done $other:ident $held:ident, $missing:expr) => {
        $held
    };

    (write one $held:expr, $encoder:ident) => {
        $held.encode($encoder)?
    };
    (write opt $held:expr, $encoder:ident) => {
        if let Some(part) = &$held {
            part.encode($encoder)?;
        }
    };
    (write boxed $held:expr, $encoder:ident) => {
        if let Some(part) = &$held {
            part.encode($encoder)?;
        }
    };
    (write $other:ident $held:expr, $encoder:ident) => {
        for part in &$held {
            part.encode($encoder)?;
        }
    };

    (written one $held:expr) => {
        1
    };
    (written opt $held:expr) => {
        usize::from($held.is_some())
    };
    (written boxed $held:expr) => {
        usize::from($held.is_some())
    };
    (written $many:ident $held:expr) => {
        $held.len()
    };

    (arbitrary one $part:ident $source:ident) => {
        $source.part::<$part>()
    };
    (arbitrary opt $part:ident $source:ident) => {
        $source.some(1).then(|| $source.part::<$part>())
    };
    (arbitrary boxed $part:ident $source:ident) => {
        $source.some(1).then(|| Box::new($source.part::<$part>()))
    };
    (arbitrary any $part:ident $source:ident) => {
        $source.parts::<$part>(0, 3)
    };
    (arbitrary some $part:ident $source:ident) => {
        $source.parts::<$part>(1, 3)
    };
    (arbitrary pair $part:ident $source:ident) => {
        $source.parts::<$part>(1, 2)
    };
}

/// A structure, and how it is read and written.
macro_rules! layout {
    (
        $(#[$meta:meta])* $name:ident, $octets:expr, {
            $( $(#[$field_meta:meta])* $field:ident : $kind:ident $(+ $reserved:literal)? $(since $field_since:ident)? ),* $(,)?
            $(; $( $(#[$part_meta:meta])* $sub:ident : $card:ident $part:ident $(since $part_since:ident)? ),* $(,)? )?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[doc = concat!("On the wire: `", stringify!($kind), "`.")]
                pub $field: value!($kind),
            )*
            $($(
                $(#[$part_meta])*
                #[doc = concat!("Parameter, ", stringify!($card), ": `", stringify!($part), "`.")]
                pub $sub: held!($card $part),
            )*)?
        }

        impl $crate::layout::Body for $name {
            const OCTETS: usize = $octets;

            #[allow(unused_mut, unused_variables, unused_assignments)]
            fn decode_body(
                reader: &mut $crate::wire::Reader<'_>,
                decoding: &mut $crate::wire::Decoding,
            ) -> Result<Self, $crate::Fault> {
                reader.inside(stringify!($name));
                $(
                    let field_at = reader.offset();
                    let $field = read!(reader decoding $kind);
                    $( if $crate::layout::IsSet::is_set(&$field) {
                        decoding.since($crate::Version::$field_since, field_at, stringify!($name))?;
                    } )?
                    $( reader.reserved($reserved, decoding)?; )?
                )*
                $(
                    $( let mut $sub = part!(new $card $part); )*
                    let mut last = 0;
                    while let Some(mut head) = reader.parameter(decoding)? {
                        let mut place = 0;
                        $(
                            place += 1;
                            if <$part as $crate::layout::Parameter>::takes(head.number) {
                                let name = <$part as $crate::layout::Parameter>::NAME;
                                if part!(count $card $sub) >= most!($card) {
                                    decoding.tolerate(head.fault($crate::FaultKind::Repeated(name)))?;
                                    continue;
                                }
                                let fault = head.fault($crate::FaultKind::OutOfOrder(name));
                                decoding.in_order(&mut last, place, fault)?;
                                decoding.since(version!($($part_since)?), head.offset, stringify!($name))?;
                                match <$part as $crate::layout::Parameter>::decode(&mut head, decoding) {
                                    Ok(value) => part!(put $card $sub value),
                                    Err(fault) => decoding.tolerate(fault)?,
                                }
                                continue;
                            }
                        )*
                        let number = head.number & 0x7FFF;
                        decoding.tolerate(head.fault($crate::FaultKind::UnexpectedParameter(number)))?;
                    }
                    $(
                        let missing = reader.fault(
                            $crate::FaultKind::Missing(<$part as $crate::layout::Parameter>::NAME)
                        );
                        if !$crate::layout::fits(part!(count $card $sub), least!($card)..=usize::MAX) {
                            decoding.tolerate(missing)?;
                        }
                        let $sub = part!(done $card $sub, missing);
                    )*
                )?
                reader.end(decoding)?;
                Ok(Self { $($field,)* $($($sub,)*)? })
            }

            #[allow(unused_variables)]
            fn encode_body(&self, encoder: &mut $crate::wire::Encoder) -> Result<(), $crate::EncodeFault> {
                $(
                    $( if $crate::layout::IsSet::is_set(&self.$field) {
                        encoder.since($crate::Version::$field_since)?;
                    } )?
                    write_field!(encoder self.$field, $kind);
                    $( encoder.reserved($reserved)?; )?
                )*
                $($(
                    let count: usize = part!(written $card self.$sub);
                    if !$crate::layout::fits(count, least!($card)..=most!($card)) {
                        let name = <$part as $crate::layout::Parameter>::NAME;
                        return Err(encoder.fault($crate::EncodeFaultKind::Count(name)));
                    }
                    if count > 0 {
                        encoder.since(version!($($part_since)?))?;
                    }
                    part!(write $card self.$sub, encoder);
                )*)?
                Ok(())
            }

            #[cfg(test)]
            #[allow(unused_variables)]
            fn arbitrary(source: &mut $crate::identity_tests::Source) -> Self {
                Self {
                    $( $field: {
                        let value = $crate::identity_tests::field!(source $kind);
                        $( let value = if source.has($crate::Version::$field_since) { value } else { Default::default() }; )?
                        value
                    }, )*
                    $($( $sub: {
                        let since = version!($($part_since)?);
                        $crate::identity_tests::part!($card $part source since)
                    }, )*)?
                }
            }
        }
    };
}

/// Whether there are as many of a part as there may be.
pub(crate) fn fits(count: usize, allowed: std::ops::RangeInclusive<usize>) -> bool {
    allowed.contains(&count)
}

/// Whether a field that one version knows and another does not says anything.
pub(crate) trait IsSet {
    fn is_set(&self) -> bool;
}

impl IsSet for bool {
    fn is_set(&self) -> bool {
        *self
    }
}

/// Parameters with a table of them.
macro_rules! parameters {
    (
        $table:ident, $wire:ident, $header:literal;
        $( $(#[$meta:meta])* $number:literal $name:ident $(since $since:ident)? = $octets:literal {
            $( $(#[$field_meta:meta])* $field:ident : $kind:ident $(+ $reserved:literal)? $(since $field_since:ident)? ),* $(,)?
            $(; $( $(#[$part_meta:meta])* $sub:ident : $card:ident $part:ident $(since $part_since:ident)? ),* $(,)? )?
        } )*
    ) => {
        $(
            layout! {
                $(#[$meta])*
                #[doc = concat!("`", stringify!($name), "`, ", stringify!($wire), " ", stringify!($number), ".")]
                $name, $octets, {
                    $( $(#[$field_meta])* $field : $kind $(+ $reserved)? $(since $field_since)? ),*
                    $(; $( $(#[$part_meta])* $sub : $card $part $(since $part_since)? ),* )?
                }
            }

            const _: () = assert!(
                ($header * 8 $( + field_bits!($kind) $(+ $reserved)? )*) == $octets * 8,
                "the fields make up other octets than the table says"
            );

            impl $crate::layout::Parameter for $name {
                const NAME: &'static str = stringify!($name);

                fn takes(number: u16) -> bool {
                    number == $number
                }

                fn decode(
                    head: &mut $crate::wire::Head<'_>,
                    decoding: &mut $crate::wire::Decoding,
                ) -> Result<Self, $crate::Fault> {
                    decoding.since(version!($($since)?), head.offset, stringify!($name))?;
                    decoding.enter(head.offset, stringify!($name))?;
                    let decoded = <Self as $crate::layout::Body>::decode_body(&mut head.body, decoding);
                    decoding.leave();
                    decoded
                }

                fn encode(&self, encoder: &mut $crate::wire::Encoder) -> Result<(), $crate::EncodeFault> {
                    encoder.since(version!($($since)?))?;
                    parameters!(header $wire $name $number self encoder)
                }
            }
        )*

        /// The table.
        pub const $table: &[$crate::layout::Definition] = &[
            $( $crate::layout::Definition {
                number: $number,
                name: stringify!($name),
                since: version!($($since)?),
                octets: <$name as $crate::layout::Body>::OCTETS,
                fields: &[$(stringify!($field)),*],
                parts: &[$($(
                    $crate::layout::Part {
                        name: <$part as $crate::layout::Parameter>::NAME,
                        takes: <$part as $crate::layout::Parameter>::takes,
                        least: least!($card),
                        most: most!($card),
                        since: version!($($part_since)?),
                    }
                ),*)?],
            }, )*
        ];
    };

    (header TV $name:ident $number:literal $self:ident $encoder:ident) => {{
        $encoder.put(&[0x80 | $number]);
        <$name as $crate::layout::Body>::encode_body($self, $encoder)
    }};
    (header TLV $name:ident $number:literal $self:ident $encoder:ident) => {{
        let opened = $encoder.open($number, stringify!($name));
        <$name as $crate::layout::Body>::encode_body($self, $encoder)?;
        $encoder.close(opened)
    }};
}

/// Several parameters of which one may stand somewhere.
macro_rules! alternatives {
    ($( $(#[$meta:meta])* $name:ident { $( $part:ident $(since $since:ident)? ),* $(,)? } )*) => { $(
        $(#[$meta])*
        // Boxing would cost an allocation for each, and most places hold the large ones anyway.
        #[allow(clippy::large_enum_variant)]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $(
                #[doc = concat!("`", stringify!($part), "`.")]
                $part($part),
            )*
        }

        impl $crate::layout::Parameter for $name {
            const NAME: &'static str = stringify!($name);

            fn takes(number: u16) -> bool {
                $( <$part as $crate::layout::Parameter>::takes(number) )||*
            }

            fn decode(
                head: &mut $crate::wire::Head<'_>,
                decoding: &mut $crate::wire::Decoding,
            ) -> Result<Self, $crate::Fault> {
                $(
                    if <$part as $crate::layout::Parameter>::takes(head.number) {
                        return <$part as $crate::layout::Parameter>::decode(head, decoding).map(Self::$part);
                    }
                )*
                Err(head.fault($crate::FaultKind::UnexpectedParameter(head.number & 0x7FFF)))
            }

            fn encode(&self, encoder: &mut $crate::wire::Encoder) -> Result<(), $crate::EncodeFault> {
                match self {
                    $( Self::$part(part) => part.encode(encoder), )*
                }
            }
        }

        $( impl From<$part> for $name {
            fn from(part: $part) -> Self {
                Self::$part(part)
            }
        } )*

        #[cfg(test)]
        impl $crate::identity_tests::Generated for $name {
            fn generate(source: &mut $crate::identity_tests::Source) -> Self {
                let makers: &[$crate::identity_tests::Maker<Self>] = &[$(
                    (version!($($since)?), |source| {
                        Self::$part(<$part as $crate::identity_tests::Generated>::generate(source))
                    })
                ),*];
                source.one_of(makers)
            }
        }
    )* };
}

#[cfg(test)]
impl<T: Body + Parameter> crate::identity_tests::Generated for T {
    fn generate(source: &mut crate::identity_tests::Source) -> Self {
        T::arbitrary(source)
    }
}
