//! The suite for all drivers, on recordings that are made in simulated time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use rfid_conformance::driver::{Rig, check};
use rfid_core::recording::Kept;
use rfid_core::{Driver, Settings, TagId, TagIdKind};
use rfid_driver_replay::Replay;

use crate::theatre::{Reader, drivers, record};

struct RecordedRig {
    replay: Replay,
    folder: tempfile::TempDir,
    kept: Kept,
    /// The recording as it was written.
    bytes: Vec<u8>,
}

impl RecordedRig {
    fn file(&self) -> PathBuf {
        self.folder.path().join("reader.rfidrec")
    }

    fn settings_to(file: &Path) -> Settings {
        Settings::new(serde_json::json!({ "file": file, "speed": 10 }))
    }

    /// Puts the recording there as a new file: one that is being played is another.
    fn write(&self) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, &self.bytes).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }
}

#[async_trait]
impl Rig for RecordedRig {
    fn driver(&self) -> &dyn Driver {
        &self.replay
    }

    fn settings(&self) -> Settings {
        Self::settings_to(&self.file())
    }

    fn settings_to_nowhere(&self) -> Settings {
        Self::settings_to(&self.folder.path().join("nowhere"))
    }

    async fn lay_tags(&mut self, count: usize) -> Vec<TagId> {
        let tags: Vec<String> = (0..count).map(|number| format!("2D{number:022X}")).collect();
        let scenario: String = tags
            .iter()
            .map(|epc| {
                format!("[[tag]]\nepc = \"{epc}\"\nat = \"0s\"\nfor = \"10m\"\nreads_per_second = 40\n")
            })
            .collect();
        let kept = self.kept;
        let made = std::thread::spawn(move || {
            let builder =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            builder.unwrap().block_on(async {
                let recorded =
                    record(&[Reader { kept, ..Reader::mercury4(scenario.leak()) }], Duration::from_secs(30))
                        .await;
                std::fs::read(&recorded.files[0].1).unwrap()
            })
        });
        self.bytes = made.join().unwrap();
        self.write();
        tags.iter().map(|epc| TagId::from_hex(TagIdKind::Epc, epc).unwrap()).collect()
    }

    async fn cut(&mut self) {
        let file = std::fs::File::options().write(true).open(self.file()).unwrap();
        file.set_len(0).unwrap();
        self.write();
    }
}

#[tokio::test]
async fn a_recording_is_a_reader() {
    for kept in [Kept::Bytes, Kept::Delivered] {
        let folder = tempfile::tempdir().unwrap();
        let mut rig = RecordedRig { replay: Replay::new(drivers()), folder, kept, bytes: Vec::new() };
        // Nothing can be set, switched, written or locked.
        check(&mut rig).await.assert_passed(4);
    }
}
