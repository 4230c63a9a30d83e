//! A sink that adds a record to each event, and whatever else its options say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::{
    ConfigFaults, Description, Error, ErrorKind, EventBatch, Loss, Name, Result, Settings, Sink, SinkKind,
};
use serde_json::json;

/// The kind of it.
pub(crate) struct Marking {
    data_dir: PathBuf,
}

impl Marking {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned() }
    }
}

impl SinkKind for Marking {
    fn describe(&self) -> Description {
        let schema = json!({ "type": "object", "additionalProperties": false,
            "properties": { "play": { "type": "string", "description": "What it does." } } });
        Description { name: "marking", summary: "marks events", schema, example: "play = \"marks\"\n" }
    }

    fn sink(&self, settings: &Settings, name: &Name) -> Result<Box<dyn Sink>, ConfigFaults> {
        let play = settings.as_json()["play"].as_str().unwrap_or_default().to_owned();
        let mark = format!("{} in {}", name, self.data_dir.display());
        Ok(Box::new(Marks { play, mark, deliveries: 0, lost: 0 }))
    }
}

struct Marks {
    play: String,
    mark: String,
    deliveries: u64,
    lost: u64,
}

#[async_trait]
impl Sink for Marks {
    async fn probe(&mut self) -> Result<()> {
        match self.play.as_str() {
            "is shut" => Err(Error::new(ErrorKind::Connect, "probe").with_detail("nobody is there")),
            _ => Ok(()),
        }
    }

    async fn open(&mut self) -> Result<()> {
        self.probe().await
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        match self.play.as_str() {
            "is slow" => tokio::time::sleep(Duration::from_millis(200)).await,
            "panics" => panic!("out of ink"),
            "is busy" => return Err(Error::new(ErrorKind::Busy, "deliver")),
            "echoes" => {
                for event in &mut batch.events {
                    let whole = serde_json::to_value(event.clone());
                    event.record = whole.ok().and_then(|event| event.as_object().cloned());
                }
                return Ok(());
            }
            _ => {}
        }
        self.deliveries += 1;
        for event in batch.events.iter_mut().filter(|event| event.antenna_port != Some(9)) {
            let record = event.record.get_or_insert_default();
            record.insert("mark".into(), self.mark.clone().into());
            record.insert("deliveries".into(), self.deliveries.into());
            record.insert("lost".into(), self.lost.into());
            record.insert("zone".into(), event.zone.as_str().into());
        }
        Ok(())
    }

    async fn lost(&mut self, loss: &Loss) -> Result<()> {
        assert_eq!(loss.reason, "the disk was full");
        self.lost += loss.count;
        Ok(())
    }

    fn takes_late(&self) -> bool {
        false
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}
