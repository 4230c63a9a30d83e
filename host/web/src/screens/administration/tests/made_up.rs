//! A host whose parts are made up, behind the pages of administration.

use std::sync::{Arc, Mutex, OnceLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rfid_core::{ErrorKind, Name, ReadBuf, ReaderState};
use rfid_service::service::{Caller, Service};
use tokio::sync::broadcast;

use super::HOSTILE;
use crate::installation::*;

/// A host whose parts are made up.
pub(super) struct MadeUp {
    pub(super) heard: broadcast::Sender<Arc<ReadBuf>>,
    /// What reading the configuration anew comes to, and how often somebody did.
    pub(super) answer: Mutex<Option<ConfigurationAnswer>>,
    pub(super) reloads: Mutex<usize>,
    /// How backups are, how many somebody had made, and who says whether they may.
    pub(super) backups: Mutex<BackupsCondition>,
    pub(super) made: Mutex<usize>,
    pub(super) service: OnceLock<Arc<Service>>,
}

impl MadeUp {
    pub(super) fn new() -> Arc<Self> {
        let changes = vec![
            ConfigurationChange { kind: ChangeKind::Restarted, part: "readers.door_a".to_owned() },
            ConfigurationChange { kind: ChangeKind::Waits, part: "host.listen".to_owned() },
        ];
        let answer = Mutex::new(Some(Ok(changes)));
        let place = BackupPlace::Folder("/mnt/backup".into());
        Arc::new(Self {
            heard: broadcast::channel(4).0,
            answer,
            reloads: Mutex::new(0),
            backups: Mutex::new(BackupsCondition { place, under_way: None, runs: Vec::new() }),
            made: Mutex::new(0),
            service: OnceLock::new(),
        })
    }
}

impl Installation for MadeUp {
    fn host(&self) -> HostCondition {
        let complaints = vec!["reader door_b is down: no route to 10.9.9.9".to_owned()];
        HostCondition { name: "branch-host".to_owned(), version: "9.9.9", uptime_s: 7_300, complaints }
    }

    fn readers(&self) -> Vec<ReaderCondition> {
        let at = "2026-11-29T00:30:00Z".parse().unwrap();
        let reading = ReaderState::Reading { model: "Mercury4".into(), firmware: HOSTILE.into(), since: at };
        let down =
            ReaderState::Down { reason: "no route to 10.9.9.9".into(), kind: ErrorKind::Connect, since: at };
        let antenna =
            |port| AntennaCondition { port: Some(port), zone: "door".into(), is_listening: true, reads: 7 };
        let reader = |name: &str, branch: Option<&str>, state| ReaderCondition {
            name: name.into(),
            branch: branch.map(Into::into),
            driver: "mercury4".to_owned(),
            state,
            antennas: vec![antenna(1), antenna(2)],
            counts: vec![("reads".to_owned(), 41), ("lost_reads".to_owned(), 3)],
        };
        vec![
            reader("door_a", Some("a"), reading.clone()),
            reader("door_b", Some("b"), down),
            reader("store room", None, reading),
        ]
    }

    fn pipelines(&self) -> Vec<PipelineCondition> {
        vec![PipelineCondition {
            name: "branches".into(),
            readers: vec!["door_a".into()],
            sinks: vec!["visits".into()],
            is_running: true,
            counts: vec![("sightings".to_owned(), 5)],
        }]
    }

    fn sinks(&self) -> Vec<SinkCondition> {
        vec![SinkCondition {
            name: "visits".into(),
            kind: "log".to_owned(),
            error: Some("disk is full".to_owned()),
            failing_since: Some("2026-11-29T00:45:00Z".parse().unwrap()),
            backlog: 12,
            counts: vec![("delivered".to_owned(), 99)],
        }]
    }

    fn heard(&self, reader: &Name) -> Option<broadcast::Receiver<Arc<ReadBuf>>> {
        (reader.as_str() == "door_a").then(|| self.heard.subscribe())
    }

    fn stores(&self) -> Vec<StoreCondition> {
        vec![StoreCondition { name: "service".to_owned(), error: None }]
    }

    fn plugins(&self) -> Vec<PluginCondition> {
        vec![PluginCondition {
            file: "libacme.so".to_owned(),
            id: "acme.reader".to_owned(),
            version: "1.2".to_owned(),
            abi: "1.0".to_owned(),
            sha256: "ab".repeat(32),
            isolation: "process",
            used_by: vec!["door_a".into()],
            restarts: 2,
        }]
    }

    fn configuration(&self) -> Option<String> {
        Some("[host]\nname = \"branch-host\"\n".to_owned())
    }

    fn look_at_configuration(&self) -> BoxFuture<'_, Option<ConfigurationAnswer>> {
        let answer = self.answer.lock().unwrap().clone();
        async move { answer }.boxed()
    }

    fn reload(&self) -> BoxFuture<'_, Option<ConfigurationAnswer>> {
        *self.reloads.lock().unwrap() += 1;
        self.look_at_configuration()
    }

    fn backups(&self) -> Option<BackupsCondition> {
        Some(self.backups.lock().unwrap().clone())
    }

    fn back_up<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<(), BackupRefusal>> {
        async {
            self.service.get().unwrap().may_back_up(caller).await?;
            let condition = self.backups.lock().unwrap().clone();
            match condition.place {
                BackupPlace::NotConfigured => Err(BackupRefusal::NotConfigured),
                BackupPlace::Database => Err(BackupRefusal::Database),
                BackupPlace::Folder(_) if condition.under_way.is_some() => Err(BackupRefusal::UnderWay),
                BackupPlace::Folder(_) => {
                    *self.made.lock().unwrap() += 1;
                    Ok(())
                }
            }
        }
        .boxed()
    }
}
