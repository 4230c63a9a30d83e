//! The bodies of the fuzz targets, with random bytes.

use proptest::prelude::*;

use crate::worked_examples::{EXAMPLES, bytes};

#[path = "../../../fuzz/codec.rs"]
mod bodies;

/// An example of which one octet is another.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    (0..EXAMPLES.len(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(which, at, to)| {
        let mut bytes = bytes(EXAMPLES[which].1);
        let at = at.index(bytes.len());
        bytes[at] = to;
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_messages_or_faults(data in prop::collection::vec(any::<u8>(), 0..300)) {
        bodies::messages(&data);
        bodies::reports(&data);
        bodies::stream(&data);
    }

    #[test]
    fn examples_with_another_octet_are_messages_or_faults(data in almost()) {
        let mut message = data[..2].to_vec();
        message.extend_from_slice(&data[10..]);
        bodies::messages(&message);
        bodies::reports(&data[10..]);
        let mut stream = vec![0, 3, 20, 1];
        stream.extend_from_slice(&data);
        stream.extend_from_slice(&data);
        bodies::stream(&stream);
    }
}
