//! What can be seen of this process from outside of a plugin.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

/// Threads of this process.
pub(crate) fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Open descriptors and what they lead to, without the one that looks.
pub(crate) fn descriptors() -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    // The link of the descriptor that reads the folder is gone when it is looked at.
    entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?))
        })
        .filter(|(_, target): &(u32, PathBuf)| !target.starts_with("/proc"))
        .collect()
}

/// Memory that is no file's, in bytes.
pub(crate) fn memory() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let kilobytes: Option<u64> = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Child processes, also of those that are gone: the child of the suite adopts them.
pub(crate) fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Files that are mapped as code or data.
pub(crate) fn mapped_files() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut files: Vec<PathBuf> =
        text.lines().filter_map(|line| Some(PathBuf::from(line.get(line.find('/')?..)?))).collect();
    files.dedup();
    files
}

/// Bytes written so far to standard output and error, where they are files, as [`check`] makes
/// them.
///
/// [`check`]: crate::check
pub(crate) fn written() -> u64 {
    ["/proc/self/fd/1", "/proc/self/fd/2"]
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .filter(fs::Metadata::is_file)
        .map(|metadata| metadata.len())
        .max()
        .unwrap_or(0)
}

/// What belongs to the whole process, and to the host.
#[derive(Clone, Debug)]
pub(crate) struct Footprint {
    pub(crate) signals: Vec<(i32, usize, i32)>,
    pub(crate) blocked_signals: String,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) locale: String,
    pub(crate) environment: BTreeMap<OsString, OsString>,
    pub(crate) umask: String,
    pub(crate) streams: BTreeMap<u32, PathBuf>,
}

impl Footprint {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let line = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map_or(String::new(), |value| value.trim().to_owned())
        };
        Self {
            signals: signals(),
            blocked_signals: line("SigBlk:"),
            directory: std::env::current_dir().ok(),
            locale: locale(),
            environment: std::env::vars_os().collect(),
            umask: line("Umask:"),
            streams: descriptors().into_iter().filter(|(number, _)| *number <= 2).collect(),
        }
    }
}

/// Number, handler and flags of each signal that has a disposition.
fn signals() -> Vec<(i32, usize, i32)> {
    (1..=64)
        .filter_map(|number| {
            // SAFETY: `sigaction` is plain data for which zero bytes are a value.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            // SAFETY: a null new action only asks; `action` is ours to be written.
            let asked = unsafe { libc::sigaction(number, std::ptr::null(), &raw mut action) };
            (asked == 0).then_some((number, action.sa_sigaction, action.sa_flags))
        })
        .collect()
}

fn locale() -> String {
    // SAFETY: a null locale only asks. No other thread of this process sets it: if a plugin's
    // does, that is what is looked for.
    let name = unsafe { libc::setlocale(libc::LC_ALL, std::ptr::null()) };
    if name.is_null() {
        return String::new();
    }
    // SAFETY: not null, and a terminated text until the next call.
    unsafe { std::ffi::CStr::from_ptr(name) }.to_string_lossy().into_owned()
}
