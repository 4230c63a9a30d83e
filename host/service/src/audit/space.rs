//! How much room the trail has: what must be audited is not done on a full disk, so that is told long
//! before.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rfid_core::{Error, ErrorKind, Result};

use crate::off_runtime::off_runtime;

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What is used.
    pub used: u64,
    /// What could be used besides, by this user.
    pub left: u64,
}

impl Room {
    /// What is used of all that can be, in hundredths, as `df` says it: not full before it is.
    pub fn percent(self) -> u8 {
        let all = u128::from(self.used) + u128::from(self.left);
        match all {
            0 => 100,
            all => u8::try_from((u128::from(self.used) * 100).div_ceil(all)).unwrap_or(100),
        }
    }
}

/// What tells how much room there is.
pub trait Disk: Send + Sync {
    /// The room on the disk of a folder. Blocks.
    ///
    /// # Errors
    /// `Io`.
    fn room(&self, folder: &Path) -> Result<Room>;
}

/// The disks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn room(&self, folder: &Path) -> Result<Room> {
        let told = rustix::fs::statvfs(folder).map_err(|error| {
            Error::new(ErrorKind::Io, "audit space")
                .with_detail(folder.display().to_string())
                .with_source(std::io::Error::from(error))
        })?;
        let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
        Ok(Room { used: bytes(told.f_blocks.saturating_sub(told.f_bfree)), left: bytes(told.f_bavail) })
    }
}

/// From when on it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceLimits {
    /// Somebody should see to it.
    pub warning_percent: u8,
    /// Soon nothing can be done any more.
    pub alarm_percent: u8,
}

impl Default for SpaceLimits {
    fn default() -> Self {
        Self { warning_percent: 80, alarm_percent: 95 }
    }
}

/// How full the disk of a trail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fullness {
    /// There is room.
    Fine,
    /// Somebody should see to it.
    Warning,
    /// Soon nothing can be done any more.
    Alarm,
    /// Nothing can be written: nothing that must be audited is done.
    Full,
}

impl Fullness {
    /// The name, as in JSON and in the trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Alarm => "alarm",
            Self::Full => "full",
        }
    }

    fn of(room: Room, limits: SpaceLimits) -> Self {
        match room.percent() {
            _ if room.left == 0 => Self::Full,
            percent if percent >= limits.alarm_percent => Self::Alarm,
            percent if percent >= limits.warning_percent => Self::Warning,
            _ => Self::Fine,
        }
    }
}

/// Looks at the disk of a trail.
pub struct SpaceWatch {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    limits: SpaceLimits,
    seen: Mutex<Option<(Room, Fullness)>>,
}

impl std::fmt::Debug for SpaceWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpaceWatch").field("folder", &self.folder).field("limits", &self.limits).finish()
    }
}

impl SpaceWatch {
    /// The disk of this folder.
    pub fn new(folder: &Path, disk: Arc<dyn Disk>, limits: SpaceLimits) -> Self {
        Self { folder: folder.to_owned(), disk, limits, seen: Mutex::new(None) }
    }

    /// Looks. Returns how full it is where that is another than at the last look; a first look that finds
    /// room enough has nothing to say.
    ///
    /// # Errors
    /// `Io`.
    pub async fn look(&self) -> Result<Option<(Room, Fullness)>> {
        let (disk, folder) = (Arc::clone(&self.disk), self.folder.clone());
        let room = off_runtime("audit", move || disk.room(&folder)).await?;
        let now = Fullness::of(room, self.limits);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.replace((room, now)).map_or(Fullness::Fine, |(_, before)| before);
        Ok((now != before).then_some((room, now)))
    }

    /// What the last look has found.
    pub fn seen(&self) -> Option<(Room, Fullness)> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong: from the alarm on it cannot wait.
    pub fn complaint(&self) -> Option<String> {
        let (room, fullness) = self.seen()?;
        (fullness >= Fullness::Alarm).then(|| {
            format!(
                "the disk of the audit trail is full to {} %; when it is full, nothing is done that must be audited: \
                 make room on the disk of {}",
                room.percent(),
                self.folder.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of which a test says how full it is.
    struct Told(Mutex<Room>);

    impl Disk for Told {
        fn room(&self, _: &Path) -> Result<Room> {
            Ok(*self.0.lock().unwrap())
        }
    }

    #[test]
    fn a_disk_is_as_full_as_df_says() {
        let percent = |used, left| Room { used, left }.percent();
        assert_eq!((percent(0, 100), percent(1, 999), percent(80, 20)), (0, 1, 80));
        assert_eq!((percent(0, 0), percent(5, 0), percent(u64::MAX, u64::MAX)), (100, 100, 50));
    }

    #[tokio::test]
    async fn a_change_is_told_once_and_an_alarm_is_complained_of() {
        let disk = Arc::new(Told(Mutex::new(Room { used: 10, left: 90 })));
        let watch = SpaceWatch::new(Path::new("/trail"), disk.clone(), SpaceLimits::default());
        assert_eq!((watch.seen(), watch.look().await.unwrap()), (None, None));
        for (used, expected, complains) in [
            (79, None, false),
            (80, Some(Fullness::Warning), false),
            (94, None, false),
            (95, Some(Fullness::Alarm), true),
            (100, Some(Fullness::Full), true),
            (99, Some(Fullness::Alarm), true),
            (50, Some(Fullness::Fine), false),
        ] {
            *disk.0.lock().unwrap() = Room { used, left: 100 - used };
            let changed = watch.look().await.unwrap();
            assert_eq!(changed.map(|(_, fullness)| fullness), expected, "{used}");
            assert_eq!(watch.complaint().is_some(), complains, "{used}");
        }
        let (room, _) = watch.seen().unwrap();
        assert_eq!(room.percent(), 50);
    }

    #[test]
    fn the_disks_of_this_machine_tell_their_room() {
        let folder = tempfile::tempdir().unwrap();
        let room = SystemDisk.room(folder.path()).unwrap();
        assert!(room.used + room.left > 0, "{room:?}");
        let error = SystemDisk.room(&folder.path().join("not there")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}
