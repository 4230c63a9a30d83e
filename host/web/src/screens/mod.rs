//! The screens of the staff: pages that are made on the host, in the language of who looks.
//!
//! * `desk.rs`: the account manager's PC (PC客户端).
//! * `day.rs`: the visits of a day, beneath it.
//! * `lobby.rs`: the lobby manager's handheld (PDA客户端).
//! * `display/`: a screen on a wall, which nobody sits at.
//! * `centre/`: the service centre (服务中心), and the choice of a branch.
//! * `acts.rs`: what both do: greet, serve, hand over, check in, duty.
//! * `entry.rs`: logging in and out, and the language.
//! * `issuing/`: the issuing desk (发卡).
//! * `hall.rs`: alarms.
//! * `administration/`: people, readers, the host and the trail, as those see them who watch over them.
//! * `help.rs`, `guide/`: the guide of each screen.
//! * `guests.rs`: a visit and its customer, as a page shows them.
//! * `navigation.rs`: which screens there are, and whose each is.
//! * `viewer.rs`: who looks, and what is said to whom that is not.
//! * `text.rs`, `text/`: everything that is written on them.
//! * `files.rs`, `assets/`: style, script, and what a browser installs.
//!
//! A page is whole without script: links and forms work by themselves. With script, htmx puts in place only
//! what changed, and `screens.js` follows the stream of arrivals (`/api/v1/arrivals`), which names nobody:
//! whatever tells who somebody is comes with a fragment that is asked for in the session, within its rights,
//! and stands in the audit trail.

mod acts;
mod administration;
mod centre;
mod day;
mod desk;
mod display;
mod entry;
mod files;
mod guests;
mod hall;
mod help;
mod issuing;
mod lobby;
mod navigation;
mod photos;
mod text;
mod viewer;

use axum::Router;
use axum::routing::{get, post};

use crate::api::Api;

/// The routes of the screens.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(entry::home))
        .route("/login", get(entry::log_in_page).post(entry::log_in))
        .route("/logout", post(entry::log_out))
        .route("/prove", post(entry::prove))
        .route("/language", post(entry::choose_language))
        .route("/desk", get(desk::page))
        .route("/desk/current/{visit}", get(desk::current))
        .route("/desk/customer/{customer}", get(desk::customer))
        .route("/desk/recent", get(desk::recent))
        .route("/desk/alarms", get(desk::alarms))
        .route("/desk/day", get(day::day))
        .route("/desk/find", post(desk::find))
        .route("/lobby", get(lobby::page))
        .route("/lobby/board", get(lobby::board))
        .route("/lobby/find", post(lobby::find))
        .route("/acts/{visit}/{act}", post(acts::in_visit))
        .route("/acts/check-in", post(acts::check_in))
        .route("/acts/alarm/{alarm}", post(acts::acknowledge))
        .route("/acts/duty", post(acts::duty))
        .route("/photos/{visit}/{size}", get(photos::of_visit))
        .route("/photos/customer/{customer}/{size}", get(photos::of_customer))
        .route("/assets/{name}", get(files::asset))
        .route("/manifest.webmanifest", get(files::manifest))
        .merge(display::routes())
        .route("/help/{screen}", get(help::page))
        .merge(administration::routes())
        .merge(centre::routes())
        .merge(issuing::routes())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trying;
