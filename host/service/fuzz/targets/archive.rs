//! Any file is an archive of an audit trail or damage, and any portion of one that somebody with the master
//! secret sealed is records or damage.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rfid_service::audit::archive::format::{ArchiveReader, unpack};
use rfid_service::seal::Keys;
use zeroize::Zeroizing;

fuzz_target!(|input: (bool, &[u8])| {
    let (is_portion, bytes) = input;
    if is_portion {
        let records = unpack(bytes).unwrap_or_default();
        assert!(records.iter().all(|(_, record)| record.len() <= 1024 * 1024));
        return;
    }
    let Ok(keys) = Keys::new(&Zeroizing::new([7; 32]), &[]) else { return };
    let Ok(mut reader) = ArchiveReader::new(bytes) else { return };
    let (first, last) = (reader.contents().first, reader.contents().last);
    let mut next = first;
    while let Ok(Some(record)) = reader.next_record(&keys) {
        assert!(record.number == next && next <= last);
        next += 1;
    }
});
