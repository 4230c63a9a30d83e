//! What a polled reader is asked between two rounds: its inputs, and which antennas are
//! connected.
//!
//! The question goes out in front of the next round's query. Its answer is told from rows of tags
//! by its form, since a line feed too many may have shifted replies by one (§1): a row has at
//! least two `|`, these values have none.

use std::time::Duration;

use rfid_core::Listening;
use rfid_core::ReadBuf;
use rfid_core::abilities::PinLevel;
use tokio::time::Instant;

use crate::abilities::{ALL_INPUTS, input_levels};
use crate::proto::RqlError;
use crate::proto::identity::connected_antennas;

/// What is asked again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Inputs,
    Antennas,
}

#[derive(Debug)]
struct Question {
    subject: Subject,
    every: Duration,
    /// From the next round on if nothing is said.
    due: Option<Instant>,
    last: Option<String>,
}

/// The questions, and the one that waits for its answer.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    questions: Vec<Question>,
    asked: Option<Subject>,
    /// The answer has come and the empty line behind it has not.
    is_ending: bool,
    /// Antenna ports that are listened to at all; empty for all.
    wanted_ports: Vec<u16>,
}

impl Watch {
    pub(crate) fn new(wanted_ports: &[u16]) -> Self {
        Self { wanted_ports: wanted_ports.to_vec(), ..Self::default() }
    }

    /// Asks this as often, from the next round on.
    pub(crate) fn add(&mut self, subject: Subject, every: Duration) {
        self.questions.push(Question { subject, every, due: None, last: None });
    }

    /// The statement to send in front of the next round, if one is due.
    pub(crate) fn next_statement(&mut self, now: impl FnOnce() -> Instant) -> Option<String> {
        if self.asked.is_some() || self.is_ending || self.questions.is_empty() {
            return None;
        }
        let now = now();
        let question =
            self.questions.iter_mut().find(|question| question.due.is_none_or(|due| due <= now))?;
        question.due = Some(now + question.every);
        self.asked = Some(question.subject);
        Some(match question.subject {
            Subject::Inputs => format!("SELECT data FROM io WHERE mask=0x{ALL_INPUTS:x}"),
            Subject::Antennas => "SELECT reader_connected_antennas FROM params".to_owned(),
        })
    }

    /// Whether the line belongs to an answer. A change goes into the buffer.
    pub(crate) fn takes(&mut self, line: &[u8], buf: &mut ReadBuf) -> bool {
        if line.is_empty() {
            return std::mem::take(&mut self.is_ending);
        }
        let Some(subject) = self.asked.filter(|_| !line.contains(&b'|')) else { return false };
        self.asked = None;
        self.is_ending = true;
        if let Some(error) = RqlError::parse(line) {
            tracing::warn!(?subject, %error, "the reader cannot be watched");
            self.questions.retain(|question| question.subject != subject);
            return true;
        }
        let text = String::from_utf8_lossy(line).into_owned();
        let question = self.questions.iter_mut().find(|question| question.subject == subject);
        if let Some(question) = question
            && question.last.as_ref() != Some(&text)
        {
            let is_first = question.last.is_none();
            match subject {
                Subject::Inputs => buf.notice_inputs(levels(&text)),
                // What is connected at first was told when the session was opened.
                Subject::Antennas if is_first => {}
                Subject::Antennas => buf.notice_listening(listening(&text, &self.wanted_ports)),
            }
            question.last = Some(text);
        }
        true
    }
}

fn levels(text: &str) -> Vec<PinLevel> {
    input_levels(text).unwrap_or_default()
}

fn listening(text: &str, wanted: &[u16]) -> Listening {
    let mut ports = connected_antennas(text);
    ports.retain(|port| wanted.is_empty() || wanted.contains(port));
    if ports.is_empty() { Listening::None } else { Listening::Ports(ports) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(subject: Subject) -> (Watch, ReadBuf) {
        let mut watch = Watch::new(&[1, 2]);
        watch.add(subject, Duration::from_secs(1));
        (watch, ReadBuf::with_capacity(4))
    }

    #[tokio::test(start_paused = true)]
    async fn an_input_that_changes_is_noticed_once() {
        let (mut watch, mut buf) = watch(Subject::Inputs);
        let mut now = Instant::now();
        for (answer, noticed) in
            [("0x00000002", Some([true, false])), ("0x00000002", None), ("0x00000020", Some([false, true]))]
        {
            assert_eq!(watch.next_statement(|| now).as_deref(), Some("SELECT data FROM io WHERE mask=0x22"));
            assert_eq!(watch.next_statement(|| now), None, "one question at a time");
            // A round that was on its way comes first.
            assert!(!watch.takes(b"12|1|0x300000000000000000000001447C", &mut buf));
            assert!(!watch.takes(b"", &mut buf));
            assert!(watch.takes(answer.as_bytes(), &mut buf));
            assert!(watch.takes(b"", &mut buf));
            assert!(!watch.takes(b"", &mut buf), "this ends a round again");
            let levels = buf.take_noticed().and_then(|noticed| noticed.inputs);
            let levels = levels.map(|levels| [levels[0].high, levels[1].high]);
            assert_eq!(levels, noticed);
            now += Duration::from_secs(1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_antenna_that_falls_off_is_noticed_if_it_is_listened_to() {
        let (mut watch, mut buf) = watch(Subject::Antennas);
        let mut now = Instant::now();
        for (answer, noticed) in [
            ("1 2 3 4", None),
            ("1 2 X3 4", Some(Listening::Ports(vec![1, 2]))),
            ("1 X2 X3 4", Some(Listening::Ports(vec![1]))),
        ] {
            assert!(watch.next_statement(|| now).is_some());
            assert!(watch.takes(answer.as_bytes(), &mut buf) && watch.takes(b"", &mut buf));
            assert_eq!(buf.take_noticed().and_then(|noticed| noticed.listening), noticed, "{answer}");
            now += Duration::from_secs(1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_cannot_tell_is_not_asked_again() {
        let (mut watch, mut buf) = watch(Subject::Antennas);
        let now = Instant::now();
        assert!(watch.next_statement(|| now).is_some());
        assert!(watch.takes(b"Error 0100:\tUnknown table", &mut buf) && watch.takes(b"", &mut buf));
        assert_eq!(watch.next_statement(|| now + Duration::from_secs(60)), None);
    }
}
