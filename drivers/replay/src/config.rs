//! The options of a replay in the configuration file.

use rfid_core::{ConfigFault, ConfigFaults};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of one reader that is played back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayConfig {
    /// The recording, as `rfid-host record` writes it. A relative path counts from the working
    /// folder.
    #[schemars(length(min = 1))]
    pub file: String,
    /// How fast: 1 as it was recorded, 10 ten times as fast. A very large number, as 1000000, is as
    /// fast as the pipelines take it. Of several replays in one host the slowest counts.
    #[serde(default = "real_time")]
    pub speed: f64,
}

fn real_time() -> f64 {
    1.0
}

impl ReplayConfig {
    /// What the schema cannot say.
    pub(crate) fn check(self) -> Result<Self, ConfigFaults> {
        if self.file.is_empty() {
            return Err(ConfigFault::new("/file", "a recording must be named").into());
        }
        if !(self.speed.is_finite() && self.speed > 0.0) {
            let message = "must be more than 0; 1 is as it was recorded, 10 ten times as fast";
            return Err(ConfigFault::new("/speed", message).into());
        }
        Ok(self)
    }
}
