//! The VIP customer service: who is this customer, may the card be used here, who is to be told,
//! and what happened.
//!
//! * [`account`]: how somebody proves who it is.
//! * [`audit`]: who did what, so that it can be proved.
//! * [`backup`]: copies of the embedded store, made while it runs.
//! * [`bulk`]: many customers or cards at once, from CSV.
//! * [`export`]: visits as files for other programs.
//! * [`moving`]: everything from one store into another.
//! * [`photo`]: pictures that somebody sends, into photos that are kept.
//! * [`recognition`]: who came, may the card be used here, and the visit that it makes.
//! * [`record`]: what is kept, in the bank's own words.
//! * [`reports`]: visits, customers and the work of people, counted.
//! * [`rights`]: who may do what.
//! * [`search`]: finding customers by what somebody remembers of them.
//! * [`service`]: what people and other systems do.
//! * [`store`]: where it is kept; one trait, so that all above is the same on any of them.
//! * [`seal`]: what stands in a store is sealed where it tells who somebody is.
//!
//! It knows the framework's words and no socket; HTTP is another crate's.
#![forbid(unsafe_code)]

pub mod account;
pub mod audit;
pub mod backup;
pub mod bulk;
mod durable_file;
pub mod export;
mod hex;
pub mod mask;
pub mod moving;
mod off_runtime;
pub mod photo;
pub mod randomness;
pub mod recognition;
pub mod record;
pub mod reports;
pub mod rights;
pub mod seal;
pub mod search;
pub mod service;
mod spreadsheet;
pub mod store;
