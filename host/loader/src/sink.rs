//! A sink from outside, as the framework sees any other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::{
    ConfigFaults, Description, Error, ErrorKind, Event, EventBatch, Loss, Name, Result, Retry, Settings,
    Sink, SinkKind,
};
use serde_json::Value;

use crate::encoding::encode;
use crate::instance::PluginInstance;
use crate::message::{Answer, Call, Fault, Kind, Setup, millis};
use crate::plugins::Loaded;

const CALL_LIMIT: Duration = Duration::from_secs(10);
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Events that cross at once.
const PORTION: usize = 256;
/// Offers in a row of which nothing is taken before the sink counts as busy.
const OFFERS: u32 = 3;
/// Wait before the next offer, where the sink does not say.
const USUAL_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A kind of sink of a plugin.
pub(crate) struct PluginSinkKind {
    pub(crate) plugin: Arc<Loaded>,
    pub(crate) description: Description,
    pub(crate) takes_late: bool,
}

impl SinkKind for PluginSinkKind {
    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn sink(&self, settings: &Settings, name: &Name) -> Result<Box<dyn Sink>, ConfigFaults> {
        let setup = Setup {
            kind: Kind::Sink,
            component: self.description.name.to_owned(),
            name: name.to_string(),
            antenna_ports: Vec::new(),
            data_dir: self.plugin.data_dir_of(name),
            options: self.plugin.revealed(settings, &self.description.schema)?,
        };
        let instance =
            PluginInstance::create(Arc::clone(&self.plugin), setup).map_err(Fault::into_config_faults)?;
        Ok(Box::new(PluginSink { instance, takes_late: self.takes_late, is_open: false }))
    }
}

/// A sink through an instance of a plugin.
struct PluginSink {
    instance: PluginInstance,
    takes_late: bool,
    is_open: bool,
}

impl PluginSink {
    async fn plain(&mut self, op: &'static str, call: Call, limit: Duration) -> Result<()> {
        let answer = self.instance.call(op, call, limit).await;
        self.note_whether_it_is_there();
        answer.map(drop)
    }

    /// An instance that was lost is made anew, and not open.
    fn note_whether_it_is_there(&mut self) {
        if self.instance.present().is_none() {
            self.is_open = false;
        }
    }

    /// Offers events; how many from the front were taken, and when to offer the rest.
    async fn offer(&mut self, events: &mut [Event]) -> Result<(usize, Duration)> {
        let line = self.instance.line("deliver").await?;
        let answer = match line.deliver(encode(events), CALL_LIMIT).await {
            Ok(answer) => answer,
            Err(no_answer) => {
                let error = self.instance.fail(no_answer, "deliver");
                self.note_whether_it_is_there();
                return Err(error);
            }
        };
        let Answer::Taken { accepted, retry_after_ms, records } = answer else {
            return Err(Error::new(ErrorKind::Internal, "deliver")
                .with_detail("the plugin answered another question"));
        };
        for (index, record) in records {
            if let (Some(event), Value::Object(record)) = (events.get_mut(index as usize), record) {
                event.record = Some(record);
            }
        }
        let wait = match retry_after_ms {
            0 => USUAL_WAIT,
            wait => Duration::from_millis(wait.into()).min(LONGEST_WAIT),
        };
        Ok((accepted as usize, wait))
    }
}

#[async_trait]
impl Sink for PluginSink {
    async fn probe(&mut self) -> Result<()> {
        self.plain("probe", Call::Probe { limit_ms: millis(CALL_LIMIT) }, CALL_LIMIT).await
    }

    async fn open(&mut self) -> Result<()> {
        if self.is_open {
            return Ok(());
        }
        self.plain("open", Call::Open { limit_ms: millis(CALL_LIMIT) }, CALL_LIMIT).await?;
        self.is_open = true;
        Ok(())
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        // After a loss of its process the instance has to be opened before it takes anything.
        self.open().await?;
        let (mut from, mut in_vain) = (0, 0);
        while let Some(rest) = batch.events.get_mut(from..).filter(|rest| !rest.is_empty()) {
            let portion = rest.len().min(PORTION);
            let (taken, wait) = self.offer(rest.get_mut(..portion).unwrap_or_default()).await?;
            from += taken;
            if taken > 0 {
                in_vain = 0;
            } else {
                in_vain += 1;
                if in_vain == OFFERS {
                    return Err(Error::new(ErrorKind::Busy, "deliver")
                        .with_detail("the plugin takes no events at present")
                        .with_retry(Retry::After(wait)));
                }
                tokio::time::sleep(wait).await;
            }
        }
        Ok(())
    }

    async fn lost(&mut self, loss: &Loss) -> Result<()> {
        self.open().await?;
        self.plain("lost", Call::Lost(loss.clone()), CALL_LIMIT).await
    }

    fn takes_late(&self) -> bool {
        self.takes_late
    }

    async fn flush(&mut self) -> Result<()> {
        if !self.is_open {
            return Ok(());
        }
        self.plain("flush", Call::Flush { limit_ms: millis(CALL_LIMIT) }, CALL_LIMIT).await
    }

    async fn close(&mut self) -> Result<()> {
        self.is_open = false;
        let Some(line) = self.instance.present() else { return Ok(()) };
        if line.is_busy() {
            line.cancel();
        }
        let limit_ms = millis(CLOSE_LIMIT);
        let close = self.plain("close", Call::Close { limit_ms }, CLOSE_LIMIT);
        match tokio::time::timeout(CLOSE_LIMIT + Duration::from_secs(1), close).await {
            Ok(closed) => closed,
            Err(_) => {
                self.instance.give_up();
                Err(Error::new(ErrorKind::Timeout, "close").with_detail("the plugin did not end in time"))
            }
        }
    }
}
