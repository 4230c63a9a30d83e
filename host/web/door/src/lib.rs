//! What stands between a network and the routes of an application.
//!
//! [`Door`] serves a router to a network, over TLS or in the clear, and keeps everybody within
//! [`Limits`](door::Limits).
//!
//! The crate knows HTTP and nothing of what is served: no readers, no customers, no configuration
//! file. Its pieces can be used one by one in the handlers of an [`axum`] router:
//!
//! * [`problem`]: errors as documents of RFC 9457,
//! * [`json`]: bodies of requests, with limits of size and depth,
//! * [`cursor`]: positions in a list that a client hands back and cannot forge,
//! * [`rate`]: how many requests a caller may make.
//!
//! Time is handed in as the monotonic time of the caller's clock, so that tests need not wait.

#![forbid(unsafe_code)]

pub mod cursor;
pub mod door;
pub mod json;
pub mod problem;
pub mod rate;
pub mod tls;

pub use door::Door;
pub use json::{Json, Raw};
pub use problem::Problem;
