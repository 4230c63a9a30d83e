//! Any bytes in a store are the record of their place, and the same again when they are written, or
//! damage.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use rfid_service::randomness::SystemRandomness;
use rfid_service::record::{Key, Kind};
use rfid_service::seal::Keys;
use rfid_service::store::Rows;
use zeroize::Zeroizing;

fuzz_target!(|input: (u8, &[u8], &[u8])| {
    let (kind, key, bytes) = input;
    let Some(key) = Kind::from_number(kind % 8).and_then(|kind| Key::from_bytes(kind, key)) else { return };
    let Ok(keys) = Keys::new(&Zeroizing::new([7; 32]), &[]) else { return };
    let rows = Rows::new(Arc::new(keys), Arc::new(SystemRandomness));
    if let Ok(record) = rows.decode(&key, bytes) {
        let again = rows.encode(&record).and_then(|bytes| rows.decode(&key, &bytes));
        assert_eq!(again.ok(), Some(record));
    }
});
