//! What the service manager is told, by sd_notify(3): that the host runs, how it is, that it is
//! alive, that it stops.
//!
//! A sign of life is given by a task of the runtime, which looks at everything that can hang
//! before: a runtime that no longer turns and a store that no longer answers both end the signs
//! of life, and systemd then kills and restarts the host. A reader or a sink that fails is no
//! reason for that: both are tried again by themselves, and a restart would stop the others.
//!
//! Without a service manager nothing happens here.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// A new status is not sent more often than this.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Words that wait for the service manager at most. One that does not listen misses the rest.
const WAITING: usize = 16;
/// Bytes of a status line; `systemctl status` shows no more on a terminal anyway.
const LONGEST_STATUS: usize = 512;

/// How the host is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// One line for people.
    pub(crate) status: String,
    /// What hangs, if anything does.
    pub(crate) hangs: Option<String>,
}

/// The line to the service manager.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    words: Option<SyncSender<Word>>,
    thread: Option<JoinHandle<()>>,
    watchdog: Option<Duration>,
}

#[derive(Debug, PartialEq, Eq)]
enum Word {
    Ready,
    Status(String),
    Alive,
    Reloading,
    Stopping,
    /// For the thread alone: nothing comes after this.
    End,
}

impl ServiceManager {
    /// The service manager that the environment names, if it does.
    pub(crate) fn from_environment() -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self { words: None, thread: None, watchdog: None };
        }
        Self::new(sd_notify::watchdog_enabled(), |words| {
            let mut was_heard = true;
            for word in words.into_iter().take_while(|word| *word != Word::End) {
                let outcome = send(&word);
                if let (Err(error), true) = (&outcome, was_heard) {
                    tracing::warn!(%error, "the service manager does not listen");
                }
                was_heard = outcome.is_ok();
            }
        })
    }

    /// Sending may wait for the service manager, so a thread of its own does it.
    fn new(watchdog: Option<Duration>, send_all: impl FnOnce(Receiver<Word>) + Send + 'static) -> Self {
        let (words, inbox) = sync_channel(WAITING);
        match std::thread::Builder::new().name("service manager".to_owned()).spawn(move || send_all(inbox)) {
            Ok(thread) => Self { words: Some(words), thread: Some(thread), watchdog },
            Err(error) => {
                tracing::warn!(%error, "the service manager is told nothing");
                Self { words: None, thread: None, watchdog: None }
            }
        }
    }

    /// The host runs, or runs again after [`reloading`](Self::reloading).
    pub(crate) fn ready(&self) {
        self.say(Word::Ready);
    }

    /// The configuration is being read anew; `ready` follows whatever comes of it.
    pub(crate) fn reloading(&self) {
        self.say(Word::Reloading);
    }

    /// The host ends, which may take as long as delivering what is under way.
    pub(crate) fn stopping(&self) {
        self.say(Word::Stopping);
    }

    /// Tells how the host is and that it lives, until the guard is dropped.
    pub(crate) fn watch(&self, condition: impl Fn() -> Condition + Send + 'static) -> Watch {
        let task = self.words.clone().map(|words| {
            let watching = watch(words, self.watchdog, condition);
            tokio::spawn(watching).abort_handle()
        });
        Watch(task)
    }

    fn say(&self, word: Word) {
        // A service manager that does not listen to sixteen words misses this one too.
        let _ = self.words.as_ref().map(|words| words.try_send(word));
    }
}

impl Drop for ServiceManager {
    /// What was said last is heard before the process ends.
    fn drop(&mut self) {
        let Some(words) = &self.words else { return };
        // A thread that has not come to sixteen words is not waited for.
        if let (Ok(()), Some(thread)) = (words.try_send(Word::End), self.thread.take()) {
            // There is nobody left to tell of a panic.
            let _ = thread.join();
        }
    }
}

/// Ends the signs of life when dropped.
#[derive(Debug)]
pub(crate) struct Watch(Option<AbortHandle>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn watch(words: SyncSender<Word>, watchdog: Option<Duration>, condition: impl Fn() -> Condition) {
    let beat_every = watchdog.map(|limit| limit / 3);
    let mut ticks = interval(beat_every.map_or(STATUS_EVERY, |every| every.clamp(MOMENT, STATUS_EVERY)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut told, mut told_at): (Option<String>, Option<Instant>) = (None, None);
    let mut beat_at: Option<Instant> = None;
    let mut hung = false;
    loop {
        let now = ticks.tick().await;
        let Condition { status, hangs } = condition();
        let status = one_line(&status);
        if told.as_ref() != Some(&status) && told_at.is_none_or(|at| now - at >= STATUS_EVERY) {
            if words.try_send(Word::Status(status.clone())).is_ok() {
                told = Some(status);
            }
            told_at = Some(now);
        }
        if let (Some(what), false) = (&hangs, hung) {
            tracing::error!(
                what,
                "something hangs; the service manager hears no sign of life until it goes on"
            );
        }
        hung = hangs.is_some();
        // Half a tick early is in time, half a tick late is not.
        let is_time = |every: Duration| beat_at.is_none_or(|at| now - at + ticks.period() / 2 >= every);
        if beat_every.is_some_and(is_time) && !hung {
            // A full channel means that the service manager does not listen.
            let _ = words.try_send(Word::Alive);
            beat_at = Some(now);
        }
    }
}

/// No watchdog is so short that it is worth a busy loop.
const MOMENT: Duration = Duration::from_millis(10);

fn send(word: &Word) -> std::io::Result<()> {
    match word {
        Word::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Word::Status(status) => sd_notify::notify(&[NotifyState::Status(status)]),
        Word::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        // The time lets systemd tell this reload from one before.
        Word::Reloading => sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?]),
        Word::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Word::End => Ok(()),
    }
}

/// A line break would begin a statement of its own, and an error's text may come from anywhere.
fn one_line(status: &str) -> String {
    let mut line = String::with_capacity(status.len().min(LONGEST_STATUS));
    for letter in status.chars().map(|letter| if letter.is_control() { ' ' } else { letter }) {
        if line.len() + letter.len_utf8() > LONGEST_STATUS - '…'.len_utf8() {
            line.push('…');
            break;
        }
        line.push(letter);
    }
    line
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// Lets the watch run for some seconds, one after the other, and returns what was said.
    async fn said_within(seconds: u64, condition: Arc<Mutex<Condition>>) -> Vec<Word> {
        let (words, inbox) = sync_channel(WAITING);
        let task = tokio::spawn(watch(words, Some(LIMIT), move || condition.lock().unwrap().clone()));
        let mut said = Vec::new();
        for _ in 0..seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
            said.extend(inbox.try_iter());
        }
        task.abort();
        said
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_of_life_comes_at_a_third_of_the_limit() {
        let said = said_within(31, Arc::default()).await;
        assert_eq!(said.iter().filter(|word| **word == Word::Alive).count(), 4, "{said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_ends_the_signs_of_life_until_it_goes_on() {
        let condition = Arc::new(Mutex::new(Condition {
            hangs: Some("store log has been at one request for 61 s".to_owned()),
            ..Condition::default()
        }));
        assert!(!said_within(100, Arc::clone(&condition)).await.contains(&Word::Alive));
        condition.lock().unwrap().hangs = None;
        assert!(said_within(2, condition).await.contains(&Word::Alive));
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_is_told_when_it_changes_and_not_again() {
        let condition = Arc::new(Mutex::new(Condition::default()));
        let (words, inbox) = sync_channel(WAITING);
        let seen = Arc::clone(&condition);
        let task = tokio::spawn(watch(words, None, move || seen.lock().unwrap().clone()));
        for second in 0..30 {
            condition.lock().unwrap().status = format!("{} readers", second / 10);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        task.abort();
        let said: Vec<Word> = inbox.try_iter().collect();
        assert_eq!(said, ["0 readers", "1 readers", "2 readers"].map(|line| Word::Status(line.to_owned())));
    }

    #[test]
    fn a_runtime_that_does_not_turn_gives_no_sign_of_life() {
        let (sent, said) = std::sync::mpsc::channel();
        let manager = ServiceManager::new(Some(Duration::from_millis(60)), move |words| {
            let words = words.into_iter().take_while(|word| *word != Word::End);
            words.for_each(|word| drop(sent.send(word)));
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let watch = runtime.block_on(async { manager.watch(Condition::default) });
        // Nobody drives the runtime from here on, as if its only thread hung.
        let silence = said.recv_timeout(Duration::from_millis(300));
        assert!(silence.is_err(), "{silence:?}");
        runtime.block_on(async {
            while said.try_recv() != Ok(Word::Alive) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        drop(watch);
    }

    #[test]
    fn a_status_is_one_line_of_bounded_length() {
        assert_eq!(one_line("a fault\nREADY=1"), "a fault READY=1");
        assert_eq!(one_line("short"), "short");
        let long = one_line(&"门".repeat(1000));
        assert!(long.len() <= LONGEST_STATUS && long.ends_with('…'), "{long}");
    }
}
