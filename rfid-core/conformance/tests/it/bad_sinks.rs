use async_trait::async_trait;
use rfid_conformance::Outcome;
use rfid_conformance::sink::check;
use rfid_core::{Error, ErrorKind, EventBatch, Loss, Result, Sink};

/// What is wrong with a sink.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Reorders,
    Drops,
    Alters,
    RefusesToCloseTwice,
    RefusesEmptyBatches,
    RefusesLateEvents,
    RefusesLosses,
    ChangesItsMind,
}

struct Memory {
    fault: Fault,
    open: bool,
}

#[async_trait]
impl Sink for Memory {
    async fn open(&mut self) -> Result<()> {
        self.open = true;
        Ok(())
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        match self.fault {
            Fault::Reorders => batch.events.reverse(),
            Fault::Drops => batch.events.truncate(2),
            Fault::Alters => batch.events.iter_mut().for_each(|event| event.read_count += 1),
            Fault::RefusesEmptyBatches if batch.events.is_empty() => {
                return Err(Error::new(ErrorKind::Internal, "deliver"));
            }
            Fault::RefusesLateEvents if batch.events.iter().any(|event| event.time < event.first_seen) => {
                return Err(Error::new(ErrorKind::Internal, "deliver"));
            }
            _ => {}
        }
        Ok(())
    }

    async fn lost(&mut self, _: &Loss) -> Result<()> {
        match self.fault {
            Fault::RefusesLosses => Err(Error::new(ErrorKind::Internal, "lost")),
            _ => Ok(()),
        }
    }

    fn takes_late(&self) -> bool {
        self.fault != Fault::ChangesItsMind || self.open
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.open) && self.fault == Fault::RefusesToCloseTwice {
            return Err(Error::new(ErrorKind::Internal, "close"));
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_sink_passes() {
    check(|| Box::new(Memory { fault: Fault::None, open: false })).await.assert_passed(0);
}

#[tokio::test(start_paused = true)]
async fn each_fault_fails_its_case() {
    let faithful = "events are neither added, removed, reordered nor altered";
    for (fault, case) in [
        (Fault::Reorders, faithful),
        (Fault::Drops, faithful),
        (Fault::Alters, faithful),
        (Fault::RefusesToCloseTwice, "closing is allowed in every state"),
        (Fault::RefusesEmptyBatches, "an empty batch is no error"),
        (Fault::RefusesLateEvents, "events that are late are taken as others are"),
        (Fault::RefusesLosses, "word of a loss is taken, again and between events"),
        (Fault::ChangesItsMind, "whether late events are of use is always answered the same"),
    ] {
        let report = check(|| Box::new(Memory { fault, open: false })).await;
        let failed: Vec<_> =
            report.cases().iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).collect();
        assert!(
            matches!(failed.as_slice(), [(name, _)] if *name == case),
            "{fault:?} is to fail exactly {case:?}:\n{report}"
        );
    }
}
