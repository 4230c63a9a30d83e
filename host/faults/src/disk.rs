//! Disks that can be spoilt: a small tmpfs, and ext4 in a loop file whose power can be cut.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// Shuts a file system down as a power cut does: what was not synced is gone, its journal is not
/// written. The number is EXT4_IOC_SHUTDOWN, the argument EXT4_GOING_FLAGS_NOLOGFLUSH. A script,
/// because this crate has no unsafe code.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(fd, 0x8004587D, struct.pack('I', 2))";

const LOOP_MIB: u64 = 192;

/// Why disks cannot be mounted here; nothing if they can.
pub(crate) fn why_not() -> Option<String> {
    let try_one = || -> Result<()> {
        let disk = Ext4::make()?;
        std::fs::File::create(disk.path().join("synced"))?.sync_all()?;
        std::fs::File::open(disk.path())?.sync_all()?;
        std::fs::write(disk.path().join("unsynced"), "x")?;
        disk.cut_power()?;
        std::fs::write(disk.path().join("x"), "x").err().context("a disk without power takes a write")?;
        disk.reboot()?;
        ensure!(disk.path().join("synced").exists(), "what was synced is gone");
        ensure!(!disk.path().join("unsynced").exists(), "what was not synced is still there");
        Ok(())
    };
    try_one().err().map(|error| format!("needs root, loop devices, mkfs.ext4 and python3: {error:#}"))
}

/// ext4 in a file, mounted.
#[derive(Debug)]
pub(crate) struct Ext4 {
    folder: TempDir,
}

impl Ext4 {
    pub(crate) fn make() -> Result<Self> {
        let disk = Self { folder: tempfile::tempdir()? };
        std::fs::create_dir(disk.path())?;
        std::fs::File::create(disk.image())?.set_len(LOOP_MIB * 1024 * 1024)?;
        run("mkfs.ext4", &["-q", "-F", text(&disk.image())?])?;
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn mount(&self) -> Result<()> {
        run("mount", &["-o", "loop", text(&self.image())?, text(&self.path())?])
    }

    /// From now on nothing reaches the disk.
    pub(crate) fn cut_power(&self) -> Result<()> {
        run("python3", &["-I", "-S", "-c", SHUTDOWN, text(&self.path())?])
    }

    /// Takes the disk away and brings it back as it was when the power was cut; nobody may have
    /// a file open on it.
    pub(crate) fn reboot(&self) -> Result<()> {
        run("umount", &[text(&self.path())?])?;
        self.mount()
    }

    /// The same below the feet of whoever has files open on it: those stay dead, new ones are on
    /// the disk that came back. There is no moment without a disk, in which something could be
    /// written where it is hidden afterwards.
    pub(crate) fn replace(&self) -> Result<()> {
        // The mount below holds the image until the last file is closed, so a copy is mounted.
        let copy = self.folder.path().join("image-replaced");
        std::fs::copy(self.image(), &copy)?;
        run("mount", &["-o", "loop", text(&copy)?, text(&self.path())?])
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        // One may lie above the other.
        while text(&self.path()).is_ok_and(|path| run("umount", &["--lazy", path]).is_ok()) {}
    }
}

/// A small disk in memory.
#[derive(Debug)]
pub(crate) struct Tmpfs {
    folder: TempDir,
}

impl Tmpfs {
    pub(crate) fn make(mib: u64) -> Result<Self> {
        let disk = Self { folder: tempfile::tempdir()? };
        let size = format!("size={mib}M");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", text(disk.path())?])?;
        Ok(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the space that is left.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut filler =
            std::fs::OpenOptions::new().create(true).append(true).open(self.path().join("filler"))?;
        for size in [1024 * 1024, 4096, 1] {
            let block = vec![0u8; size];
            while filler.write_all(&block).is_ok() {}
        }
        Ok(())
    }

    /// Gives it back.
    pub(crate) fn clear(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.path().join("filler"))?)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = text(self.path()).map(|path| run("umount", &["--lazy", path]));
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

fn run(command: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(command).args(arguments).output();
    let output = output.with_context(|| format!("{command} is not there"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command}: {}", said.trim());
    if !said.trim().is_empty() && command == "python3" {
        bail!("{command}: {}", said.trim());
    }
    Ok(())
}
