//! How the host is, for the service manager: one line, and whether anything hangs.

use std::time::Duration;

use rfid_core::ReaderState;
use rfid_durable::Health;

use super::board::Board;
use super::view::View;
use crate::service_manager::Condition;

/// A store that has been at one request for this long does not come back by itself. A disk under
/// repair by its controller may take half of it.
const HANGS_AFTER: Duration = Duration::from_secs(60);

impl Board {
    /// How the host is at this moment.
    pub(crate) fn condition(&self) -> Condition {
        let mut condition = self.view().condition();
        if self.last_reload()["succeeded"] == false {
            condition.status.push_str("; the configuration was read anew and is refused");
        }
        condition
    }
}

impl View {
    fn condition(&self) -> Condition {
        let stores = self.stores.opened();
        let mut said = vec![readers(self.readers.values().map(|reader| reader.observer.state()))];
        let mut hangs = None;
        for (name, sink) in &self.sinks {
            if let Some(complaint) = sink.status.complaint() {
                said.push(format!("sink {name} {complaint}"));
            }
        }
        said.extend(self.unkept());
        said.extend(self.ailing());
        for (name, store) in &stores {
            if let Health::Degraded(error) = store.health() {
                said.push(format!("store {name} fails: {error}"));
            }
            hangs = hangs.or(hanging(&format!("store {name}"), store.busy_for()));
        }
        said.extend(self.service_complaint());
        Condition { status: said.join("; "), hangs }
    }
}

/// What is said of a part that has been at one piece of work for too long.
fn hanging(part: &str, busy_for: Duration) -> Option<String> {
    (busy_for >= HANGS_AFTER).then(|| format!("{part} has been at one request for {} s", busy_for.as_secs()))
}

fn readers(states: impl Iterator<Item = ReaderState>) -> String {
    let (mut all, mut reading) = (0, 0);
    for state in states {
        all += 1;
        reading += usize::from(matches!(state, ReaderState::Reading { .. }));
    }
    match (reading, all) {
        (_, 0) => "no readers".to_owned(),
        (1, 1) => "the reader is reading".to_owned(),
        (0, 1) => "the reader is not reading".to_owned(),
        (reading, all) if reading == all => format!("all {all} readers are reading"),
        (1, all) => format!("1 of {all} readers is reading"),
        (reading, all) => format!("{reading} of {all} readers are reading"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_counted_in_words() {
        let up = || ReaderState::Reading {
            model: String::new(),
            firmware: String::new(),
            since: rfid_core::UtcTime::default(),
        };
        let said = |up_count: usize, down: usize| {
            let down = std::iter::repeat_n(ReaderState::Connecting, down);
            readers(std::iter::repeat_with(up).take(up_count).chain(down))
        };
        assert_eq!(said(2, 1), "2 of 3 readers are reading");
        assert_eq!(said(1, 2), "1 of 3 readers is reading");
        assert_eq!(said(3, 0), "all 3 readers are reading");
        assert_eq!((said(1, 0).as_str(), said(0, 0).as_str()), ("the reader is reading", "no readers"));
    }

    #[test]
    fn a_slow_disk_is_no_hanging_store() {
        assert_eq!(hanging("store log", Duration::from_secs(59)), None);
        let said = hanging("store log", Duration::from_secs(61)).unwrap();
        assert_eq!(said, "store log has been at one request for 61 s");
    }
}
