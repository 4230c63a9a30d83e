//! How a value is wrapped: version, checksum, bytes.

/// Largest value in bytes. sled writes larger ones into files that it never syncs.
pub(crate) const LARGEST_VALUE: usize = 64 * 1024;

const VERSION: u8 = 1;

/// Wraps a value for storing under this key.
pub(crate) fn wrap(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut wrapped = Vec::with_capacity(value.len() + 5);
    wrapped.push(VERSION);
    wrapped.extend_from_slice(&checksum(key, value).to_be_bytes());
    wrapped.extend_from_slice(value);
    wrapped
}

/// The value that was stored under this key; `None` if these bytes are not what was written.
pub(crate) fn unwrap<'a>(key: &[u8], wrapped: &'a [u8]) -> Option<&'a [u8]> {
    let (version, rest) = wrapped.split_first()?;
    let (sum, value) = rest.split_first_chunk::<4>()?;
    (*version == VERSION && u32::from_be_bytes(*sum) == checksum(key, value)).then_some(value)
}

/// Over the key as well, so that a value which turns up under another key is noticed.
fn checksum(key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(key.len() as u64).to_be_bytes());
    hasher.update(key);
    hasher.update(value);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_wrapped_is_found_and_no_flipped_bit_passes(
            key in proptest::collection::vec(any::<u8>(), 0..20),
            value in proptest::collection::vec(any::<u8>(), 0..200),
            bit in any::<proptest::sample::Index>(),
        ) {
            let wrapped = wrap(&key, &value);
            prop_assert_eq!(unwrap(&key, &wrapped), Some(&value[..]));
            let bit = bit.index(wrapped.len() * 8);
            let mut flipped = wrapped;
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(unwrap(&key, &flipped), None);
        }

        #[test]
        fn any_bytes_are_a_value_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = unwrap(b"key", &bytes);
        }
    }
}
