//! Any bytes are a picture, of which a photo of two sizes is made, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rfid_service::photo::develop;

fuzz_target!(|picture: &[u8]| {
    if let Ok(photo) = develop(picture) {
        // What was made is a picture itself.
        assert!(develop(&photo.large).is_ok() && develop(&photo.small).is_ok());
    }
});
