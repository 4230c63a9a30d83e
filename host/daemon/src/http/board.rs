//! What HTTP knows of the host at this moment, and what it may ask of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rfid_core::UtcTime;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::view::View;
use crate::backups::Backups;
use crate::config::Difference;

/// Somebody asks for the configuration to be read anew.
pub(crate) struct ReloadRequest {
    /// Whether it is only asked what would change.
    pub(crate) only_looks: bool,
    pub(crate) answer: oneshot::Sender<ReloadOutcome>,
}

/// What came of reading the configuration anew.
#[derive(Clone, Debug)]
pub(crate) enum ReloadOutcome {
    /// The host runs on the new configuration, or would.
    Changed(Box<Difference>),
    /// The host runs on as before, for these reasons.
    Refused(Vec<String>),
}

/// The last reload.
#[derive(Clone, Debug, Serialize)]
struct LastReload {
    at: UtcTime,
    succeeded: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

/// The view of the parts that run now, and how the host itself is.
pub(crate) struct Board {
    view: Mutex<Arc<View>>,
    last_reload: Mutex<Option<LastReload>>,
    /// As it takes effect, without secrets; empty until somebody says it.
    configuration: Mutex<String>,
    /// Of the customer service, where it runs.
    backups: OnceLock<Arc<Backups>>,
    stopping: AtomicBool,
    reloads: mpsc::Sender<ReloadRequest>,
    /// When the host's clock stood at zero.
    pub(super) clock_began: UtcTime,
}

impl Board {
    pub(crate) fn new(view: View, reloads: mpsc::Sender<ReloadRequest>, clock_began: UtcTime) -> Self {
        Self {
            view: Mutex::new(Arc::new(view)),
            last_reload: Mutex::new(None),
            configuration: Mutex::default(),
            backups: OnceLock::new(),
            stopping: AtomicBool::new(false),
            reloads,
            clock_began,
        }
    }

    /// Shows other parts from now on.
    pub(crate) fn show(&self, view: View) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    /// Shows this as the configuration that takes effect.
    pub(crate) fn show_configuration(&self, text: String) {
        *self.configuration.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Lets backups be asked for from now on.
    pub(crate) fn show_backups(&self, backups: &Arc<Backups>) {
        // A host has one service for as long as it runs.
        let _ = self.backups.set(Arc::clone(backups));
    }

    pub(super) fn backups_of_service(&self) -> Option<&Arc<Backups>> {
        self.backups.get()
    }

    pub(super) fn shown_configuration(&self) -> String {
        self.configuration.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what came of a reload.
    pub(crate) fn reloaded(&self, at: UtcTime, outcome: &ReloadOutcome) {
        let (succeeded, reasons) = match outcome {
            ReloadOutcome::Changed(_) => (true, Vec::new()),
            ReloadOutcome::Refused(reasons) => (false, reasons.clone()),
        };
        let last = LastReload { at, succeeded, reasons };
        *self.last_reload.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// From now on the host says that it is not ready, because it is stopping.
    pub(crate) fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has the configuration read anew. `None`: the host is stopping.
    pub(super) async fn reload(&self) -> Option<ReloadOutcome> {
        self.ask_for_reload(false).await
    }

    /// Has it looked what that would change.
    pub(super) async fn look_at_reload(&self) -> Option<ReloadOutcome> {
        self.ask_for_reload(true).await
    }

    async fn ask_for_reload(&self, only_looks: bool) -> Option<ReloadOutcome> {
        let (answer, outcome) = oneshot::channel();
        self.reloads.send(ReloadRequest { only_looks, answer }).await.ok()?;
        outcome.await.ok()
    }

    pub(super) fn last_reload(&self) -> Value {
        json!(*self.last_reload.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything about every part.
    pub(super) fn status(&self) -> Value {
        let mut status = self.view().status();
        let (ready, body) = self.readiness();
        status["ready"] = ready.into();
        status["reasons"] = body["reasons"].clone();
        status["degraded"] = body["degraded"].clone();
        status["last_reload"] = self.last_reload();
        status
    }

    /// Why the host is not ready; nothing if it is.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut reasons = self.view().reasons();
        if self.is_stopping() {
            reasons.insert(0, "the host is stopping".to_owned());
        }
        reasons
    }

    /// Whether everything works, and if not, why.
    pub(super) fn readiness(&self) -> (bool, Value) {
        let view = self.view();
        let reasons = self.complaints();
        let ready = reasons.is_empty();
        let body = json!({
            "ready": ready,
            "reasons": reasons,
            "degraded": view.degraded(),
            "readers": view.reader_states(),
            "sinks": view.sink_states(),
            "stores": view.store_states(),
            "ledger": view.ledger_state(),
        });
        (ready, body)
    }
}
