//! How somebody proves who it is: passwords, second factors, sessions.
//!
//! * [`password`]: whether a password is good enough, and whether it is the one.
//! * [`second_factor`]: six digits that change every half minute.
//! * [`session`]: who is logged in.
//! * [`kept`]: who is still logged in when the host starts anew.
//! * [`code`]: codes that are used once.
//! * [`failures`]: tries that failed, and locks.

pub mod code;
pub mod failures;
pub mod kept;
pub mod password;
pub mod second_factor;
pub mod session;

use std::time::Duration;

use self::password::Cost;

/// How accounts are kept. Each figure is a setting.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountSettings {
    /// Shortest password of an account without a second factor, in characters.
    pub shortest_password: usize,
    /// The same with one.
    pub shortest_with_second_factor: usize,
    /// What it costs to try a password.
    pub cost: Cost,
    /// Passwords that are tried at the same time.
    pub tried_at_once: usize,
    /// Failures that lock an account.
    pub failures: u32,
    /// For how long the first time; each further failure doubles it.
    pub locked_for: Duration,
    /// At most.
    pub locked_at_most: Duration,
    /// How long an invitation can be used.
    pub invited_for: Duration,
    /// An account that nobody used for so long cannot be used any more.
    pub dormant_after: Duration,
    /// An account is confirmed anew after so long: that the person still needs it.
    pub confirmed_every: Duration,
    /// One that nobody confirms cannot be used any more, so long after a warning.
    pub lapses_after_warning: Duration,
    /// A session in which nothing is done for so long is over.
    pub idle_after: Duration,
    /// A session is over after so long, whatever is done in it.
    pub session_at_most: Duration,
    /// Sessions of one person at the same time.
    pub sessions_each: usize,
    /// A display shows itself anew by its key after so long.
    pub display_at_most: Duration,
    /// How long a proof of who it is counts for what needs one.
    pub proved_for: Duration,
    /// How long the first accounts can be made after a start.
    pub setup_for: Duration,
    /// An extra right is lent for so long at most.
    pub break_glass_at_most: Duration,
}

impl Default for AccountSettings {
    fn default() -> Self {
        let (minute, hour) = (60, 3600);
        Self {
            shortest_password: 15,
            shortest_with_second_factor: 12,
            cost: Cost::default(),
            tried_at_once: 2,
            failures: 10,
            locked_for: Duration::from_secs(30 * minute),
            locked_at_most: Duration::from_secs(24 * hour),
            invited_for: Duration::from_secs(24 * hour),
            dormant_after: Duration::from_secs(90 * 24 * hour),
            confirmed_every: Duration::from_secs(90 * 24 * hour),
            lapses_after_warning: Duration::from_secs(14 * 24 * hour),
            idle_after: Duration::from_secs(15 * minute),
            session_at_most: Duration::from_secs(8 * hour),
            sessions_each: 2,
            display_at_most: Duration::from_secs(24 * hour),
            proved_for: Duration::from_secs(5 * minute),
            setup_for: Duration::from_secs(30 * minute),
            break_glass_at_most: Duration::from_secs(4 * hour),
        }
    }
}
