//! Kinds of fields: what they are in a structure, and how they are read and written.
//!
//! Whatever is not one of these is an enumeration ([`crate::enumeration`]).

macro_rules! version {
    () => {
        $crate::Version::V1_0_1
    };
    ($since:ident) => {
        $crate::Version::$since
    };
}

macro_rules! value {
    (u1) => { bool };
    (u2) => { u8 };
    (s8) => { i8 };
    (s16) => { i16 };
    (u8) => { u8 };
    (u16) => { u16 };
    (u32) => { u32 };
    (u64) => { u64 };
    (u96) => { [u8; 12] };
    (u8s) => { Vec<u8> };
    (u16s) => { Vec<u16> };
    (u32s) => { Vec<u32> };
    (utf8) => { String };
    (bits) => { $crate::wire::Bits };
    (password) => { $crate::wire::Password };
    (rest) => { Vec<u8> };
    ($enumeration:ident) => { $crate::enumeration::$enumeration };
}

macro_rules! field_bits {
    (u1) => {
        1
    };
    (u2) => {
        2
    };
    (s8) => {
        8
    };
    (s16) => {
        16
    };
    (u8) => {
        8
    };
    (u16) => {
        16
    };
    (u32) => {
        32
    };
    (u64) => {
        64
    };
    (u96) => {
        96
    };
    (bits) => {
        16
    };
    (u8s) => {
        16
    };
    (u16s) => {
        16
    };
    (u32s) => {
        16
    };
    (utf8) => {
        16
    };
    (password) => {
        32
    };
    (rest) => {
        0
    };
    ($enumeration:ident) => {
        <$crate::enumeration::$enumeration>::BITS
    };
}

macro_rules! read {
    ($reader:ident $decoding:ident u1) => {
        $reader.bits(1)? != 0
    };
    ($reader:ident $decoding:ident u2) => {
        $reader.bits(2)?
    };
    ($reader:ident $decoding:ident s8) => {
        i8::from_be_bytes($reader.array()?)
    };
    ($reader:ident $decoding:ident s16) => {
        i16::from_be_bytes($reader.array()?)
    };
    ($reader:ident $decoding:ident u8) => {
        $reader.u8()?
    };
    ($reader:ident $decoding:ident u16) => {
        $reader.u16()?
    };
    ($reader:ident $decoding:ident u32) => {
        $reader.u32()?
    };
    ($reader:ident $decoding:ident u64) => {
        $reader.u64()?
    };
    ($reader:ident $decoding:ident u96) => {
        $reader.array()?
    };
    ($reader:ident $decoding:ident u8s) => {
        $reader.octets()?.to_vec()
    };
    ($reader:ident $decoding:ident u16s) => {
        $reader.words()?
    };
    ($reader:ident $decoding:ident u32s) => {
        $reader.double_words()?
    };
    ($reader:ident $decoding:ident utf8) => {
        $reader.text($decoding)?
    };
    ($reader:ident $decoding:ident bits) => {
        $reader.bit_string()?
    };
    ($reader:ident $decoding:ident password) => {
        $crate::wire::Password($reader.u32()?)
    };
    ($reader:ident $decoding:ident rest) => {
        $reader.rest().to_vec()
    };
    ($reader:ident $decoding:ident $enumeration:ident) => {
        <$crate::enumeration::$enumeration>::read($reader)?
    };
}

macro_rules! write_field {
    ($encoder:ident $value:expr, u1) => {
        $encoder.bits($value.into(), 1)?
    };
    ($encoder:ident $value:expr, u2) => {
        $encoder.bits($value, 2)?
    };
    ($encoder:ident $value:expr, u96) => {
        $encoder.put(&$value)
    };
    ($encoder:ident $value:expr, u8s) => {
        $encoder.octets(&$value)?
    };
    ($encoder:ident $value:expr, u16s) => {
        $encoder.words(&$value)?
    };
    ($encoder:ident $value:expr, u32s) => {
        $encoder.double_words(&$value)?
    };
    ($encoder:ident $value:expr, utf8) => {
        $encoder.octets($value.as_bytes())?
    };
    ($encoder:ident $value:expr, bits) => {{
        $encoder.put(&$value.count().to_be_bytes());
        $encoder.put($value.octets());
    }};
    ($encoder:ident $value:expr, password) => {
        $encoder.put(&$value.0.to_be_bytes())
    };
    ($encoder:ident $value:expr, rest) => {
        $encoder.put(&$value)
    };
    ($encoder:ident $value:expr, s8) => {
        $encoder.put(&$value.to_be_bytes())
    };
    ($encoder:ident $value:expr, s16) => {
        $encoder.put(&$value.to_be_bytes())
    };
    ($encoder:ident $value:expr, u8) => {
        $encoder.put(&$value.to_be_bytes())
    };
    ($encoder:ident $value:expr, u16) => {
        $encoder.put(&$value.to_be_bytes())
    };
    ($encoder:ident $value:expr, u32) => {
        $encoder.put(&$value.to_be_bytes())
    };
    ($encoder:ident $value:expr, u64) => {
        $encoder.put(&$value.to_be_bytes())
    };
    ($encoder:ident $value:expr, $enumeration:ident) => {
        $value.write($encoder)?
    };
}
