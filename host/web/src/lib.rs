//! HTTP of the customer service: what other systems of the bank ask and say, and what its staff look at.
//!
//! [`Api`] makes the routes under `/api/v1` over a [`Service`](rfid_service::service::Service), for
//! whoever serves HTTP. Every route stands once, in a table ([`api`]) from which the router and the
//! OpenAPI document are made, so none is without the other. Who may do what is the service's to say;
//! here is only found out who calls ([`clients`]).
//!
//! The pages of the staff (`screens`) stand beside it: made on the host, in the language of who looks, and
//! kept up to date by the stream of arrivals.
//!
//! It stands behind a [`rfid_door`], which keeps callers within limits. Errors are problem documents
//! ([`refused`]); lists go on behind cursors that nobody can make up; records have strong entity tags,
//! and a change names the one that it was made on.
#![forbid(unsafe_code)]

pub mod api;
mod calling;
pub mod clients;
pub mod installation;
mod percent;
pub mod refused;
mod screens;

pub use api::Api;
