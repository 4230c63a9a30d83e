//! Which files make a configuration, and their texts.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::fault::{Fault, Gathered};
use super::source::{Place, Source};

/// Largest file that is read.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Most files that one folder may add.
const MOST_FILES: usize = 1_000;

/// The folder beside the main file whose files are read, too.
const USUAL_FOLDER: &str = "conf.d";

/// The texts of a configuration, and what could not be read of it.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) sources: Vec<Source>,
    pub(crate) faults: Gathered,
}

impl Texts {
    /// One text that is at hand.
    pub(crate) fn of(name: &Path, text: &str) -> Self {
        Self { sources: vec![Source::new(name, text)], faults: Gathered::default() }
    }
}

/// Reads a file and the `*.toml` of the folders in the order of their names: of those that are
/// given, or of `conf.d` beside the file.
pub(crate) fn read(file: &Path, folders: &[PathBuf]) -> Texts {
    let mut texts = Texts::default();
    take(file, &mut texts);
    let beside = file.parent().unwrap_or(Path::new("")).join(USUAL_FOLDER);
    let folders = match folders {
        [] if beside.is_dir() => vec![beside],
        folders => folders.to_vec(),
    };
    for folder in folders {
        match toml_files(&folder) {
            Ok(files) => files.iter().for_each(|file| take(file, &mut texts)),
            Err(why) => texts.faults.push(Fault::of_file(format!("{}: {why}", folder.display()))),
        }
    }
    texts
}

/// Files that end in `.toml`, without hidden ones and what editors leave behind.
fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".toml") && !name.starts_with(['.', '#', '~']) {
            files.push(path.clone());
        }
        if files.len() > MOST_FILES {
            return Err(format!("there are more than {MOST_FILES} files"));
        }
    }
    files.sort();
    Ok(files)
}

/// Adds a file, or why it cannot be.
fn take(path: &Path, texts: &mut Texts) {
    let bytes = match bytes_of(path) {
        Ok(bytes) => bytes,
        Err(why) => {
            // Its name is there all the same, for the summary.
            texts.sources.push(Source::new(path, ""));
            return texts.faults.push(Fault::of_file(format!("{}: {why}", path.display())));
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => texts.sources.push(Source::new(path, &text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let place = Place::new(texts.sources.len(), at..at + 1);
            // Up to that byte the text is as it was, so the place is right; the rest is not read.
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let mut source = Source::new(path, &text);
            let had_mark = text.starts_with('\u{FEFF}');
            let place = if had_mark { Place { start: at - 3, end: at - 2, ..place } } else { place };
            source.unreadable = true;
            texts.sources.push(source);
            texts.faults.push(Fault::new(place, "", "the text is not UTF-8 from here on"));
        }
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    // Before opening, which would wait for the other end of a pipe.
    if !about.is_file() {
        return Err("is not a file".to_owned());
    }
    let too_long = |length| format!("the file has {length} bytes; at most {LARGEST_FILE} are read");
    if about.len() > LARGEST_FILE {
        return Err(too_long(about.len()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    // It may have grown since, or be one of those that say 0, as in /proc.
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(too_long(bytes.len() as u64));
    }
    Ok(bytes)
}
