//! The pseudo-terminal, and the cable that can be pulled out of it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_serial::{SerialPort, SerialStream};

use super::Board;
use super::chip::Chip;
use super::scenario::Outage;
use super::talk;

/// What the cable is told, and what was done of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plug {
    pub(super) is_pulled: bool,
    /// How often it was pulled and put back.
    pub(super) times: u64,
}

/// How often is looked whether somebody left the terminal to himself.
const UNLOCK_EVERY: Duration = Duration::from_secs(1);

/// How long is waited for a terminal to come free.
const WITHOUT_TERMINAL: Duration = Duration::from_millis(100);

/// A pseudo-terminal under a name of its own.
#[derive(Debug)]
pub(super) struct Socket {
    chip_side: SerialStream,
    /// Kept open: without it, the chip's side would end with each host.
    host_side: OwnedFd,
    link: PathBuf,
}

impl Socket {
    pub(super) fn new(link: PathBuf) -> io::Result<Self> {
        let (chip_side, host_side) = SerialStream::pair()?;
        let name = host_side.name().ok_or_else(|| io::Error::other("the pseudo-terminal has no name"))?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let host_side = rustix::fs::open(name.as_str(), flags, Mode::empty())?;
        if link.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
            std::fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink(name, &link)?;
        Ok(Self { chip_side, host_side, link })
    }

    /// A host that was killed leaves the terminal locked for everybody but root.
    async fn unlock_now_and_then(host_side: &OwnedFd) {
        loop {
            sleep(UNLOCK_EVERY).await;
            // It only matters to the next host, which would say that the port is taken.
            let _ = rustix::termios::ioctl_tiocnxcl(host_side);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Gone already, or somebody's else now: nothing to clean up.
        let _ = std::fs::remove_file(&self.link);
    }
}

/// Serves hosts over one terminal after the other, until the emulator's handle is gone.
pub(super) async fn run(
    socket: Socket,
    board: Arc<Board>,
    outages: Vec<Outage>,
    mut told: watch::Receiver<Plug>,
    says: watch::Sender<Plug>,
) {
    let link = socket.link.clone();
    let mut socket = Some(socket);
    loop {
        let plug = *told.borrow_and_update();
        // One moment for both, or an outage that begins between the two is slept through.
        let now = board.elapsed();
        let outage = outages.iter().find(|outage| (outage.from..outage.until).contains(&now));
        if plug.is_pulled || outage.is_some() {
            socket = None;
        } else if socket.is_none() {
            socket = Socket::new(link.clone())
                .inspect_err(|error| tracing::warn!(%error, "there is no pseudo-terminal"))
                .ok();
        }
        if socket.is_some() || plug.is_pulled || outage.is_some() {
            says.send_replace(plug);
        }
        let change_at = next_change(&outages, now);
        // Without its cable the chip has no power.
        let mut chip = Chip::default();
        let served = async {
            match &mut socket {
                Some(Socket { chip_side, host_side, .. }) => {
                    tokio::select! {
                        outcome = talk::serve(chip_side, &mut chip, &board) => {
                            tracing::debug!(error = ?outcome.err(), "the terminal is gone");
                        }
                        () = Socket::unlock_now_and_then(host_side) => {}
                    }
                }
                None if plug.is_pulled || outage.is_some() => std::future::pending().await,
                None => sleep(WITHOUT_TERMINAL).await,
            }
        };
        tokio::select! {
            () = served => {}
            changed = told.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sleep(change_at.unwrap_or_default()), if change_at.is_some() => {}
        }
        board.pad().power_off();
        socket = None;
    }
}

/// How long until an outage begins or ends.
fn next_change(outages: &[Outage], now: Duration) -> Option<Duration> {
    let changes = outages.iter().flat_map(|outage| [outage.from, outage.until]);
    changes.filter(|at| *at > now).min().map(|at| at - now)
}
