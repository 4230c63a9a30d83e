//! Panics, wherever they happen.

use rfid_abi::Status;

use crate::host::Reader;

#[test]
fn a_panic_is_told_with_its_place_and_poisons_the_instance() {
    let reader = Reader::running(r#"{"play": "panics"}"#);
    let healthy = Reader::running(r#"{"play": "counts"}"#);
    let (status, message) = reader.read(1, 1000).0.unwrap_err();
    assert_eq!(status, Status::PANIC);
    assert!(message.starts_with("no such antenna: 7 ("), "{message}");
    assert!(message.contains("staged.rs:"), "{message}");
    for told in [reader.read(1, 10).0, reader.stop(), reader.close(), reader.open()] {
        assert_eq!(told.unwrap_err(), (Status::PANIC, message.clone()));
    }
    let lines = reader.host.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("1 panic: panicked: no such antenna: 7 thread="), "{lines:?}");
    assert_eq!(healthy.read(1, 1000).0.unwrap(), Status::OK);
}

#[test]
fn a_panic_of_an_own_thread_or_task_ends_the_call_that_waits() {
    for (play, said) in [("thread panics", "the library broke"), ("task panics", "the task broke")] {
        let reader = Reader::running(&format!(r#"{{"play": "{play}"}}"#));
        let (status, message) = reader.read(1, 60_000).0.unwrap_err();
        assert_eq!(status, Status::PANIC);
        assert!(message.starts_with(said), "{message}");
        let lines = reader.host.lines();
        assert!(
            lines.iter().any(|line| line.starts_with(&format!("1 panic: panicked: {said}"))),
            "{lines:?}"
        );
        if play == "task panics" {
            assert_eq!(lines[0], "3 it::staged: about to break");
        }
    }
}

#[test]
fn a_panic_at_creation_makes_no_instance() {
    let (status, message) = Reader::create("staged", r#"{"play": "panics at once"}"#).map(drop).unwrap_err();
    assert_eq!(status, Status::PANIC);
    assert!(message.starts_with("no session today"), "{message}");
}

#[test]
fn a_panic_while_an_instance_is_freed_stays_inside() {
    let reader = Reader::create("staged", r#"{"play": "panics when dropped"}"#).unwrap();
    reader.open().unwrap();
    reader.start().unwrap();
    assert_eq!(reader.read(1, 10).0.unwrap(), Status::NO_DATA);
    drop(reader);
}
