//! Tokens of other systems: until when each can be used, and when it last was.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Viewer, shown};
use crate::api::Api;

/// So many days before its end it is said of a token.
const SOON_S: u64 = 30 * 24 * 3600;

struct TokenRow {
    client: String,
    token: String,
    expires: String,
    is_over: bool,
    is_soon: bool,
    last_used: String,
}

#[derive(Template)]
#[template(path = "administration/tokens.html")]
struct TokensPage {
    text: Text,
    frame: Frame,
    tokens: Vec<TokenRow>,
}

pub(super) async fn page(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let text = &viewer.text;
    let now = api.service().now();
    let page = async {
        api.service().may_see_clients(viewer.caller()).await?;
        let rows = api.clients().states().into_iter().map(|state| TokenRow {
            client: state.client,
            token: state.token,
            is_over: state.expires.is_some_and(|at| at <= now),
            is_soon: state.expires.is_some_and(|at| at > now && at.since(now).as_secs() < SOON_S),
            expires: state.expires.map(|at| text.moment(at)).unwrap_or_default(),
            last_used: state.last_used.map(|at| text.moment(at)).unwrap_or_default(),
        });
        Ok(TokensPage {
            frame: Frame::of(&api, &viewer, "administration/tokens").await?,
            tokens: rows.collect(),
            text: text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}
