//! The issuing desk (发卡): customers and cards from the first word to the card in somebody's hand.
//!
//! * `work.rs`: all work of the desk at a glance, and that there is news.
//! * `customer.rs`: finding customers, and one with its cards.
//! * `form.rs`: a customer as somebody writes one.
//! * `photo.rs`: the photo that goes with it; `multipart.rs`: how a browser sends a file.
//! * `card.rs`: asking for a card; lost, suspended, revoked, made usable again, destroyed.
//! * `case.rs`: one request, and what is done with it: submitted, reviewed, given up.
//! * `bench.rs`: its card on the desk, step by step.
//! * `receipt.rs`: what is printed when it is handed over.
//! * `words.rs`: what the service says, in the language of who looks.

mod bench;
mod card;
mod case;
mod customer;
mod form;
mod multipart;
mod photo;
mod receipt;
mod words;
mod work;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::api::Api;

/// The routes of the desk.
pub(super) fn routes() -> Router<Api> {
    let photo = |of| get(photo::page).post(of).layer(DefaultBodyLimit::max(photo::MOST_SENT));
    Router::new()
        .route("/issuing", get(work::page))
        .route("/issuing/work", get(work::part))
        .route("/issuing/news", get(work::news))
        .route("/issuing/find", post(customer::find))
        .route("/issuing/check/id-number", post(form::check_id_number))
        .route("/issuing/customer/new", get(form::new).post(form::open))
        .route("/issuing/customer/{customer}", get(customer::page))
        .route("/issuing/customer/{customer}/change", get(form::changing).post(form::change))
        .route("/issuing/customer/{customer}/card", get(card::asking).post(card::ask))
        .route("/issuing/card/{card}/{act}", post(card::act))
        .route("/issuing/request/{request}", get(case::page))
        .route("/issuing/request/{request}/edit", get(form::editing).post(form::edit))
        .route("/issuing/request/{request}/photo", photo(photo::take))
        .route("/issuing/request/{request}/photo/remove", post(photo::remove))
        .route("/issuing/request/{request}/photo/{which}/{size}", get(photo::picture))
        .route("/issuing/request/{request}/bench", get(bench::part))
        .route("/issuing/request/{request}/receipt", get(receipt::page))
        .route("/issuing/request/{request}/unmask", post(case::unmask))
        .route("/issuing/request/{request}/{act}", post(case::act))
}

#[cfg(test)]
mod tests;
