//! Passwords: whether one is good enough, and whether it is the one.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use rfid_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

use crate::randomness::{self, Randomness};
use crate::record::Personal;

/// Longest password, in characters.
pub const LONGEST: usize = 128;

/// What it costs to try a password, as Argon2id has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Cost {
    /// What OWASP asks for.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2 }
    }
}

/// Why a password is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weak {
    /// It is shorter than this.
    Short(usize),
    /// It is longer than [`LONGEST`].
    Long,
    /// Somebody who tries for long enough finds it.
    Guessable,
}

impl std::fmt::Display for Weak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short(least) => write!(f, "has fewer than {least} characters"),
            Self::Long => write!(f, "has more than {LONGEST} characters"),
            Self::Guessable => {
                f.write_str("can be guessed; take several words that have nothing to do with each other")
            }
        }
    }
}

/// Whether a password is good enough for somebody who is called by these words.
///
/// # Errors
/// What is wrong with it.
pub fn check(password: &str, least: usize, words: &[&str]) -> Result<(), Weak> {
    match password.chars().count() {
        count if count < least => return Err(Weak::Short(least)),
        count if count > LONGEST => return Err(Weak::Long),
        _ => {}
    }
    let context: Vec<&str> = ["rfid", "rfid-host", "bank", "password", "vip", "银行", "网点"]
        .into_iter()
        .chain(words.iter().copied())
        .collect();
    if zxcvbn::zxcvbn(password, &context).score() < zxcvbn::Score::Three {
        Err(Weak::Guessable)
    } else {
        Ok(())
    }
}

/// Tries passwords on threads of their own, few at a time.
#[derive(Clone, Debug)]
pub(crate) struct Trier {
    cost: Cost,
    turns: Arc<Semaphore>,
    /// What is compared with where there is nothing to compare with, so that it takes as long.
    nobodys: Arc<str>,
}

impl Trier {
    pub(crate) fn new(cost: Cost, at_once: usize, randomness: &dyn Randomness) -> Result<Self> {
        let salt: [u8; 16] = randomness::bytes(randomness)?;
        let nobodys = hash(cost, b"nobody has this password", &salt)?;
        Ok(Self { cost, turns: Arc::new(Semaphore::new(at_once.max(1))), nobodys: nobodys.into() })
    }

    /// What is kept of a password.
    pub(crate) async fn hash(
        &self,
        password: Personal<String>,
        randomness: &dyn Randomness,
    ) -> Result<Personal<String>> {
        let salt: [u8; 16] = randomness::bytes(randomness)?;
        let cost = self.cost;
        self.in_turn(move || hash(cost, password.reveal().as_bytes(), &salt)).await?.map(Personal::new)
    }

    /// Whether it is the password that this was kept of; `kept` is absent where nobody is there.
    pub(crate) async fn is_it(
        &self,
        password: Personal<String>,
        kept: Option<&Personal<String>>,
    ) -> Result<bool> {
        let is_somebody = kept.is_some();
        let kept = kept.map_or_else(|| Personal::from(&*self.nobodys), Clone::clone);
        let is_it: Result<bool> = self
            .in_turn(move || {
                let parsed = PasswordHash::new(kept.reveal()).map_err(|_| unreadable())?;
                Ok(Argon2::default().verify_password(password.reveal().as_bytes(), &parsed).is_ok())
            })
            .await?;
        Ok(is_it? && is_somebody)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let gone = |what: &str| Error::new(ErrorKind::Internal, "password").with_detail(what.to_owned());
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| gone("nobody tries passwords any more"))?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| gone("a password could not be tried").with_source(error))
    }
}

fn hash(cost: Cost, password: &[u8], salt: &[u8]) -> Result<String> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(|_| unreadable())?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = argon.hash_password_with_salt(password, salt).map_err(|_| unreadable())?;
    Ok(hash.to_string())
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Damaged, "password").with_detail("what is kept of a password cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SystemRandomness;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1 };

    #[test]
    fn what_can_be_guessed_is_not_taken() {
        let why = |password: &str| check(password, 12, &["S10017", "李静"]).err();
        assert_eq!(why("short"), Some(Weak::Short(12)));
        assert_eq!(why(&"x1!Y".repeat(40)), Some(Weak::Long));
        for password in
            ["passwordpassword", "123456789012345", "qwertyuiop[]", "S10017S10017", "bankbankbankbank"]
        {
            assert_eq!(why(password), Some(Weak::Guessable), "{password}");
        }
        for password in ["trellis ombre fjord walnut", "雨后春笋长得快呀朋友们加油", "kX9#vTq2!mLpZr"]
        {
            assert_eq!(why(password), None, "{password}");
        }
    }

    #[tokio::test]
    async fn only_the_password_is_the_password() {
        let trier = Trier::new(CHEAP, 2, &SystemRandomness).unwrap();
        let kept = trier.hash("trellis ombre".into(), &SystemRandomness).await.unwrap();
        assert!(kept.reveal().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert!(trier.is_it("trellis ombre".into(), Some(&kept)).await.unwrap());
        assert!(!trier.is_it("trellis ombrf".into(), Some(&kept)).await.unwrap());
        assert!(!trier.is_it("nobody has this password".into(), None).await.unwrap());
        assert!(trier.is_it("x".into(), Some(&"not a hash".into())).await.is_err());
    }

    #[test]
    fn the_usual_cost_is_what_is_promised() {
        assert_eq!(Cost::default(), Cost { memory_kib: 19_456, passes: 2 });
    }
}
