//! What goes on in a branch besides visits: alarms that nobody has seen to.

use rfid_service::record::Alarm;
use rfid_service::rights::Action;
use rfid_service::service::Fault;

use super::guests::Showing;
use super::viewer::Viewer;
use crate::api::Api;

/// Alarms that are shown.
const MOST: usize = 20;

/// An alarm that nobody has seen to.
pub(super) struct AlarmView {
    pub(super) id: String,
    pub(super) said: String,
    pub(super) may_see_to: bool,
}

/// What is read once for a whole answer.
pub(super) struct Hall {
    pub(super) alarms: Vec<AlarmView>,
    /// Cards of which nobody knows whether they were copied.
    suspects: Vec<String>,
}

impl Hall {
    /// What goes on for whoever does something in it, or looks at it from the centre; others, as a display, have
    /// screens that show less.
    pub(super) async fn of(api: &Api, viewer: &Viewer) -> Result<Self, Fault> {
        if !viewer.may(Action::ActInVisits) && !viewer.is_elsewhere() {
            return Err(Fault::Forbidden(Action::ActInVisits));
        }
        let branch = Some(viewer.branch().clone());
        let alarms = api.service().open_alarms(viewer.caller(), branch, MOST).await?;
        let may_see_to = viewer.may(Action::AcknowledgeAlarms);
        let shown = |alarm: &Alarm| AlarmView {
            id: alarm.id.to_string(),
            said: viewer.text.with("alarm", "time", viewer.text.clock(alarm.at)),
            may_see_to,
        };
        Ok(Self {
            alarms: alarms.iter().map(|alarm| shown(&alarm.record)).collect(),
            suspects: alarms.iter().map(|alarm| alarm.record.card.to_string()).collect(),
        })
    }

    pub(super) fn showing<'a>(&'a self, viewer: &'a Viewer) -> Showing<'a> {
        Showing { text: &viewer.text, branch: viewer.branch(), suspects: &self.suspects }
    }
}
