//! The matrix of who may do what, as a page.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use rfid_service::rights::{Action, Matrix, Role};

use super::super::navigation;
use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Viewer, shown};
use super::{rights_language, role_said};
use crate::api::Api;

struct ActionRow {
    said: String,
    name: &'static str,
    /// For each role what it may do, and whether it is one of the viewer's.
    cells: Vec<(Option<String>, bool)>,
}

#[derive(Template)]
#[template(path = "administration/rights.html")]
struct RightsPage {
    text: Text,
    frame: Frame,
    /// Each role, by its letters and its name, and whether it is one of the viewer's.
    roles: Vec<(&'static str, String, bool)>,
    actions: Vec<ActionRow>,
}

pub(super) async fn page(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    if !navigation::is_of(&viewer, "administration/rights") {
        return Err(viewer.saying(StatusCode::FORBIDDEN, "problem-forbidden"));
    }
    let language = rights_language(&viewer.text);
    let is_own = |role: Role| viewer.identified.roles.contains(&role);
    let frame = Frame::of(&api, &viewer, "administration/rights").await;
    let frame = frame.map_err(|fault| viewer.refusal(fault))?;
    let actions = Action::ALL.into_iter().map(|action| ActionRow {
        said: Matrix::get().action_called(action, language).to_owned(),
        name: action.name(),
        cells: Role::ALL
            .into_iter()
            .map(|role| (Matrix::get().cell_said(role, action, language), is_own(role)))
            .collect(),
    });
    let roles = Role::ALL.into_iter().map(|role| (role.short(), role_said(&viewer.text, role), is_own(role)));
    Ok(shown(&RightsPage {
        actions: actions.collect(),
        roles: roles.collect(),
        text: viewer.text.clone(),
        frame,
    }))
}
