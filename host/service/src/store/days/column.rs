//! One column of a day: numbers, or names out of a list of those that occur in it.
//!
//! * Numbers: how many there are (4 bytes), how wide each is (1 byte, 1 to 8), and each behind the other.
//! * Names: how many different ones there are (4 bytes), each with its length before it (4 bytes), and then
//!   a column of numbers: 0 for none, otherwise the place of the name in the list, from 1.
//!
//! All numbers are little-endian. What is read may be anything: it is a column, or it is none.

use std::collections::HashMap;

/// Bytes of numbers.
pub(super) fn write_numbers(numbers: &[u64]) -> Vec<u8> {
    let largest = numbers.iter().copied().max().unwrap_or(0);
    let width = (8 - (largest | 1).leading_zeros() as usize / 8).clamp(1, 8);
    let mut bytes = Vec::with_capacity(5 + numbers.len() * width);
    bytes.extend(u32::try_from(numbers.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.push(u8::try_from(width).unwrap_or(8));
    for number in numbers {
        bytes.extend(number.to_le_bytes().iter().take(width));
    }
    bytes
}

/// Numbers out of their bytes.
pub(super) fn read_numbers(bytes: &[u8]) -> Option<Vec<u64>> {
    fn each<const WIDTH: usize>(bytes: &[u8]) -> Option<Vec<u64>> {
        let (numbers, rest) = bytes.as_chunks::<WIDTH>();
        let wide = |number: &[u8; WIDTH]| {
            let mut wide = [0; 8];
            wide[..WIDTH].copy_from_slice(number);
            u64::from_le_bytes(wide)
        };
        rest.is_empty().then(|| numbers.iter().map(wide).collect())
    }
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let (width, rest) = rest.split_first()?;
    let numbers = match width {
        1 => each::<1>(rest),
        2 => each::<2>(rest),
        3 => each::<3>(rest),
        4 => each::<4>(rest),
        5 => each::<5>(rest),
        6 => each::<6>(rest),
        7 => each::<7>(rest),
        8 => each::<8>(rest),
        _ => None,
    }?;
    (u32::try_from(numbers.len()).ok() == Some(u32::from_le_bytes(*count))).then_some(numbers)
}

/// Bytes of names.
pub(super) fn write_names<'n>(names: impl Iterator<Item = Option<&'n [u8]>>) -> Vec<u8> {
    let mut list: Vec<&[u8]> = Vec::new();
    let mut places: HashMap<&[u8], u64, ahash::RandomState> = HashMap::default();
    let at: Vec<u64> = names
        .map(|name| {
            name.map_or(0, |name| {
                *places.entry(name).or_insert_with(|| {
                    list.push(name);
                    list.len() as u64
                })
            })
        })
        .collect();
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = length(list.len()).to_vec();
    for name in list {
        bytes.extend(length(name.len()));
        bytes.extend(name);
    }
    bytes.extend(write_numbers(&at));
    bytes
}

/// Names of a column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names<'a> {
    /// Those that occur.
    pub(super) list: Vec<&'a [u8]>,
    /// 0 for none, otherwise the place in the list, from 1; never behind its end.
    pub(super) at: Vec<u64>,
}

/// Names out of their bytes.
pub(super) fn read_names(bytes: &[u8]) -> Option<Names<'_>> {
    let (count, mut rest) = bytes.split_first_chunk::<4>()?;
    let mut list = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (name, behind) = behind.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        list.push(name);
        rest = behind;
    }
    let at = read_numbers(rest)?;
    let last = list.len() as u64;
    at.iter().all(|at| *at <= last).then_some(Names { list, at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_as_wide_as_the_largest_of_them() {
        for (largest, width) in [(0, 1), (255, 1), (256, 2), (u64::MAX >> 8, 7), (u64::MAX, 8)] {
            assert_eq!(write_numbers(&[0, largest]).len(), 5 + 2 * width, "{largest}");
        }
    }

    #[test]
    fn a_place_behind_the_end_of_the_list_is_no_name() {
        let mut bytes = write_names([Some(b"ab".as_slice()), None].into_iter());
        assert_eq!(read_names(&bytes), Some(Names { list: vec![b"ab"], at: vec![1, 0] }));
        *bytes.last_mut().unwrap() = 2;
        assert_eq!(read_names(&bytes), None);
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(
            numbers in proptest::collection::vec(any::<u64>(), 0..9),
            shift in 0_u32..64,
        ) {
            let numbers: Vec<u64> = numbers.into_iter().map(|number| number >> shift).collect();
            prop_assert_eq!(read_numbers(&write_numbers(&numbers)), Some(numbers));
        }

        #[test]
        fn names_are_read_as_they_were_written(
            names in proptest::collection::vec(proptest::option::of("[a-c\u{4e00}]{0,2}"), 0..9),
        ) {
            let names: Vec<Option<&[u8]>> =
                names.iter().map(|name| name.as_ref().map(|name| name.as_bytes())).collect();
            let bytes = write_names(names.iter().copied());
            let read = read_names(&bytes).unwrap();
            let again: Vec<Option<&[u8]>> = read
                .at
                .iter()
                .map(|at| usize::try_from(*at).unwrap().checked_sub(1).map(|at| read.list[at]))
                .collect();
            prop_assert_eq!(again, names);
        }

        #[test]
        fn any_bytes_are_a_column_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(numbers) = read_numbers(&bytes) {
                prop_assert!(numbers.len() <= bytes.len());
            }
            if let Some(names) = read_names(&bytes) {
                prop_assert!(names.list.len() + names.at.len() <= bytes.len());
            }
        }
    }
}
