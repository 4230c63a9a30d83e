//! An antenna that its reader reports as gone, on the built binary.

use std::time::{Duration, Instant};

use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};

use crate::daemon::{Daemon, until};
use crate::run::logged;

const HERE: &str = "[[tag]]\nepc = \"2D0000000000000000000001\"\nreads_per_second = 50\n";
const HERE_UNHEARD: &str = "[[tag]]\nepc = \"2D0000000000000000000001\"\nreads_per_second = 50\n\
                            [[outage]]\nantenna = 1\nat = \"0s\"\n";

#[test]
fn who_stands_before_an_antenna_that_is_gone_has_not_left() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // A Mercury 4 does not say that a cable is off; later models do.
    let scenario = |text: &str| Scenario::from_toml(text).unwrap();
    let emulator =
        runtime.block_on(Emulator::bind("127.0.0.1:0", Profile::Mercury5, scenario(HERE))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("events.jsonl");
    let config = folder.path().join("branch.toml");
    let text = format!(
        r#"
[host]
data_dir = '{data}'
listen = "127.0.0.1:0"
[readers.door]
driver = "mercury4"
address = "{reader}"
time_out = "20ms"
watch_antennas = "50ms"
antennas = {{ 1 = "door" }}
[sinks.visits]
type = "log"
path = '{log}'
[pipelines.test]
readers = ["door"]
sinks = ["visits"]
presence = {{ lost_after = "1s" }}
"#,
        data = folder.path().join("data").display(),
        reader = emulator.local_addr(),
        log = log.display(),
    );
    std::fs::write(&config, text).unwrap();
    let daemon = Daemon::run(&config);
    until("the arrival", || (logged(&log).len() == 1).then_some(()));

    emulator.set_scenario(scenario(HERE_UNHEARD));
    let gone_since = Instant::now();
    until("the daemon to know", || {
        let antennas = &daemon.status()["readers"]["door"]["antennas"];
        (!antennas.to_string().contains("\"listening\":true")).then_some(())
    });
    // Longer than a departure takes.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(logged(&log).len(), 1, "nobody leaves while nobody listens");

    emulator.set_scenario(Scenario::default());
    let gone_for = gone_since.elapsed();
    until("the departure", || (logged(&log).len() == 2).then_some(()));
    let departed = &logged(&log)[1];
    let gap = Duration::from_millis(departed.coverage_gap_ms);
    assert!(gap >= Duration::from_secs(3) && gap <= gone_for + Duration::from_secs(1), "{departed:?}");
    assert!(daemon.terminate().success());
}
