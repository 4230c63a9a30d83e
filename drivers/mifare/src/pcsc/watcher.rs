//! The thread that waits for what happens at the reader: cards laid on and lifted, the reader
//! unplugged, the service gone (§1.2). It asks nobody in between, so an idle pad costs nothing.

use std::ffi::{CStr, CString};
use std::thread::JoinHandle;
use std::time::Duration;

use pcsc::{Context, ReaderState, Scope, State};
use rfid_core::{Error, ErrorKind, Result};
use tokio::sync::watch;

use super::failure::{failed, meaning};

/// A wait ends by itself after this long: cancelling one that is only about to begin has no effect
/// on pcsc-lite 1.9.9.
const WAIT: Duration = Duration::from_secs(1);

/// What the reader says of its pad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    Empty,
    /// Something lies there and gives no ATR.
    Mute,
    /// A card, with its ATR. The number is another one for each time that a card is laid on.
    Card(u32, Vec<u8>),
    /// The watch is over.
    Lost(String),
}

/// The watch over one reader. It ends when this is dropped.
pub(super) struct Watcher {
    pub(super) sights: watch::Receiver<Sight>,
    context: Context,
    thread: Option<JoinHandle<()>>,
}

/// Finds the reader. Blocks.
///
/// # Errors
/// `Connect` if the service does not run, or there is not exactly one reader of that name.
pub(super) fn find(part: Option<&str>) -> Result<CString> {
    let context = Context::establish(Scope::User).map_err(|error| failed("open", error))?;
    let names = match context.list_readers_owned() {
        Ok(names) => names,
        Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
        Err(error) => return Err(failed("open", error)),
    };
    choose(names, part).map_err(|detail| Error::new(ErrorKind::Connect, "open").with_detail(detail))
}

/// The one reader whose name contains this part. Without one: the only reader, or the only one
/// that is called contactless, since a reader with two interfaces shows up as two.
fn choose(names: Vec<CString>, part: Option<&str>) -> Result<CString, String> {
    let has =
        |name: &CString, part: &str| name.to_string_lossy().to_lowercase().contains(&part.to_lowercase());
    let listed = |names: &[CString]| {
        names.iter().map(|name| format!("\"{}\"", name.to_string_lossy())).collect::<Vec<_>>().join(", ")
    };
    if names.is_empty() {
        return Err("no PC/SC reader is plugged in".to_owned());
    }
    let mut fitting: Vec<CString> =
        names.iter().filter(|name| part.is_none_or(|part| has(name, part))).cloned().collect();
    if fitting.len() > 1 {
        let is_contactless = |name: &CString| ["picc", "contactless"].iter().any(|word| has(name, word));
        if fitting.iter().filter(|name| is_contactless(name)).count() == 1 {
            fitting.retain(is_contactless);
        }
    }
    match (fitting.pop(), fitting.len()) {
        (Some(name), 0) => Ok(name),
        (None, _) => {
            Err(format!("no reader has \"{}\" in its name; there are {}", part.unwrap_or(""), listed(&names)))
        }
        (Some(last), _) => {
            fitting.push(last);
            Err(format!("several readers fit: {}; write more of the name into `reader`", listed(&fitting)))
        }
    }
}

impl Watcher {
    /// Begins to watch. Blocks until the first sight.
    ///
    /// # Errors
    /// As [`find`].
    pub(super) fn start(reader: &CStr) -> Result<Self> {
        let context = Context::establish(Scope::User).map_err(|error| failed("open", error))?;
        let mut states = [ReaderState::new(reader, State::UNAWARE)];
        let first = wait(&context, &mut states, Duration::ZERO).map_err(|error| failed("open", error))?;
        let (to, sights) = watch::channel(first);
        let waiting = context.clone();
        let thread = std::thread::Builder::new()
            .name("pcsc-watch".to_owned())
            .spawn(move || watch(&waiting, &mut states, &to))
            .map_err(|error| Error::new(ErrorKind::Io, "open").with_source(error))?;
        Ok(Self { sights, context, thread: Some(thread) })
    }

    /// Ends the watch. Blocks until the thread is gone, a second at most.
    pub(super) fn end(mut self) {
        let thread = self.thread.take();
        let context = self.context.clone();
        // Nobody listens any more: the thread ends when its wait does.
        drop(self);
        let _ = context.cancel();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.context.cancel();
    }
}

fn watch(context: &Context, states: &mut [ReaderState; 1], to: &watch::Sender<Sight>) {
    while !to.is_closed() {
        match wait(context, states, WAIT) {
            Ok(sight) => {
                to.send_if_modified(|known| {
                    let is_new = *known != sight;
                    *known = sight;
                    is_new
                });
            }
            Err(pcsc::Error::Timeout) => {}
            Err(pcsc::Error::Cancelled) if to.is_closed() => {}
            Err(error) => {
                to.send_replace(Sight::Lost(meaning(error).to_owned()));
                return;
            }
        }
    }
}

/// Waits until the reader's state differs from the one that was last seen.
fn wait(context: &Context, states: &mut [ReaderState; 1], limit: Duration) -> Result<Sight, pcsc::Error> {
    context.get_status_change(limit, states)?;
    let [state] = states;
    state.sync_current_state();
    let seen = state.event_state();
    if seen.intersects(State::UNKNOWN | State::IGNORE | State::UNAVAILABLE) {
        return Err(pcsc::Error::UnknownReader);
    }
    Ok(if seen.contains(State::MUTE) {
        Sight::Mute
    } else if seen.contains(State::PRESENT) {
        Sight::Card(state.event_count(), state.atr().to_vec())
    } else {
        Sight::Empty
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str], part: Option<&str>) -> Result<String, String> {
        let names = names.iter().map(|name| CString::new(*name).unwrap()).collect();
        choose(names, part).map(|name| name.to_string_lossy().into_owned())
    }

    #[test]
    fn a_reader_is_found_by_part_of_its_name() {
        let two =
            ["ACS ACR1252 Dual Reader [ACR1252 PICC] 00 00", "ACS ACR1252 Dual Reader [ACR1252 SAM] 00 01"];
        assert_eq!(chosen(&two[..1], None).unwrap(), two[0]);
        assert_eq!(chosen(&two, None).unwrap(), two[0], "the contactless face of it");
        assert_eq!(chosen(&two, Some("acr1252")).unwrap(), two[0]);
        assert_eq!(chosen(&two, Some("SAM")).unwrap(), two[1]);
    }

    #[test]
    fn what_is_missing_or_ambiguous_is_said_with_the_names() {
        assert_eq!(chosen(&[], None).unwrap_err(), "no PC/SC reader is plugged in");
        let missing = chosen(&["Reader A 00 00"], Some("ACR")).unwrap_err();
        assert_eq!(missing, "no reader has \"ACR\" in its name; there are \"Reader A 00 00\"");
        let several = chosen(&["Reader A 00 00", "Reader B 01 00"], Some("Reader")).unwrap_err();
        assert!(several.contains("\"Reader A 00 00\", \"Reader B 01 00\""), "{several}");
    }
}
