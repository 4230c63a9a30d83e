//! Spoilt files: each is refused with a fault, and none stops the check.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::guarded::{guarded, registry};
use super::tests::GOOD;
use super::*;

/// Lines of the good file that set a key, as (whole line, key).
fn settings() -> Vec<(&'static str, &'static str)> {
    let set = |line: &'static str| Some((line, line.split_once(" = ")?.0));
    GOOD.lines().filter_map(set).collect()
}

fn headers() -> Vec<&'static str> {
    GOOD.lines().filter(|line| line.starts_with('[')).collect()
}

/// Texts that are no configuration.
fn texts() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |what: String, text: String| all.push((what, text.into_bytes()));
    let end = GOOD.find("sinks = [").unwrap();
    for at in (0..end).step_by(23).filter(|at| GOOD.is_char_boundary(*at)) {
        add(format!("cut at {at}"), GOOD[..at].to_owned());
    }
    for (line, key) in settings() {
        add(format!("double {key}"), GOOD.replacen(line, &format!("{line}\n{line}"), 1));
        add(format!("misspelt {key}"), GOOD.replacen(line, &line.replacen(key, &format!("{key}_x"), 1), 1));
        for wrong in ["5.5", "true", "[[1]]", "{ a = 1 }"] {
            add(format!("{key} = {wrong}"), GOOD.replacen(line, &format!("{key} = {wrong}"), 1));
        }
    }
    for header in headers() {
        add(format!("double {header}"), GOOD.replacen(header, &format!("{header}\n{header}"), 1));
        add(format!("unknown in {header}"), GOOD.replacen(header, &format!("{header}\ncolour = \"red\""), 1));
        add(format!("open {header}"), GOOD.replacen(header, &header[..header.len() - 1], 1));
    }
    for (what, text) in [
        ("deep lists", format!("a = {}", "[".repeat(100_000))),
        ("deep tables", format!("a = {}", "{a=".repeat(100_000))),
        ("deep and whole", format!("a = {}{}", "[".repeat(70), "]".repeat(70))),
        ("deep keys", format!("{}a = 1", "a.".repeat(400_000))),
        ("deep header", format!("[{}a]", "a.".repeat(400_000))),
        ("long key", format!("{} = 1", "k".repeat(900_000))),
        ("many keys", (0..60_000).map(|number| format!("k{number} = 1\n")).collect()),
        ("many readers", (0..20_000).map(|number| format!("[readers.r{number}]\n")).collect()),
        ("many names", format!("[pipelines.p]\nsinks = [\"x\"]\nreaders = [{}]", "\"a\",".repeat(200_000))),
        (
            "one long line",
            format!("a = {{ {} }}", (0..50_000).map(|n| format!("k{n} = 1, ")).collect::<String>()),
        ),
        ("mark in the middle", GOOD.replacen("[host]", "[host]\n\u{FEFF}", 1)),
        ("mark and a cut", format!("\u{FEFF}{}", &GOOD[..100])),
        ("a zero", GOOD.replacen("[host]", "[host]\n\0", 1)),
        ("a number that is too large", "a = 99999999999999999999".to_owned()),
        ("no number", "a = nan\nb = inf".to_owned()),
        ("nothing", String::new()),
        ("another language", "<config/>".to_owned()),
    ] {
        add(what.to_owned(), text);
    }
    for at in [0, 10, 100, 400, 700] {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[at] = 0xFF;
        all.push((format!("not UTF-8 at {at}"), bytes));
    }
    all.push(("10 MB".to_owned(), vec![b'#'; 10 * 1024 * 1024]));
    all
}

fn refused(what: &str, path: &Path) -> Vec<String> {
    let start = Instant::now();
    let report = match check(read(path, &[]), &registry()) {
        Ok(_) => panic!("{what} is taken"),
        Err(report) => report,
    };
    let lines: Vec<String> = report.lines().collect();
    assert!(report.faults() > 0 && !lines.is_empty(), "{what}");
    assert!(!report.pictures().is_empty() && !report.json().is_empty(), "{what}");
    let name = path.display().to_string();
    assert!(lines.iter().all(|line| line.starts_with(&name)), "{what}: {lines:?}");
    // Generous: what hangs, hangs for longer.
    assert!(start.elapsed() < Duration::from_secs(30), "{what} took {:?}", start.elapsed());
    lines
}

fn write(folder: &tempfile::TempDir, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn two_hundred_spoilt_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts();
    assert!(texts.len() >= 200, "{}", texts.len());
    for (what, text) in texts {
        refused(&what, &write(&folder, "spoilt.toml", text, 0o644));
    }
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(refused("a pipe", &pipe)[0].ends_with("pipe.toml: is not a file"));
    refused("a folder", folder.path());
    refused("a device", Path::new("/dev/zero"));
    refused("nothing", &folder.path().join("nothing.toml"));
    let link = folder.path().join("circle.toml");
    std::os::unix::fs::symlink(&link, &link).unwrap();
    refused("a circle", &link);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let marked = write(&folder, "marked.toml", format!("\u{FEFF}{GOOD}"), 0o644);
    assert!(check(read(&marked, &[]), &registry()).is_ok());
    let mut bytes = "\u{FEFF}a = 1\nb = \"".to_owned().into_bytes();
    bytes.push(0xFF);
    let spoilt = write(&folder, "spoilt.toml", bytes, 0o644);
    let lines = refused("a mark before what is not UTF-8", &spoilt);
    assert!(lines[0].ends_with("spoilt.toml:2:6: the text is not UTF-8 from here on"), "{lines:?}");
}

#[test]
fn secrets_are_read_beside_the_file_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let main = write(&folder, "branch.toml", guarded("file:secret"), 0o644);
    let lines = refused("no secret file", &main);
    assert!(lines[0].contains(":9:12: readers.vault.password: "), "{lines:?}");
    assert!(lines[0].contains("secret cannot be read: No such file"), "{lines:?}");
    write(&folder, "secret", "hunter2\n", 0o644);
    assert!(refused("a secret for all", &main)[0].contains("is open to others (mode 0644); run: chmod 600"));
    write(&folder, "secret", "hunter2\n", 0o600);
    let checked = check(read(&main, &[]), &registry()).unwrap_or_else(|_| panic!("it is in order"));
    assert_eq!(checked.report.warnings(), 0);
    let shown = as_toml(&checked);
    assert!(shown.contains("password = \"***\"") && !shown.contains("hunter2"), "{shown}");
    // A secret that changed is a change, though no settings did.
    let vault = |checked: &Checked| {
        checked.config.readers.iter().find(|reader| &*reader.setup.reader == "vault").unwrap().secrets
    };
    let before = vault(&checked);
    assert_eq!(vault(&check(read(&main, &[]), &registry()).unwrap_or_else(|_| panic!())), before);
    write(&folder, "secret", "hunter3\n", 0o600);
    assert_ne!(vault(&check(read(&main, &[]), &registry()).unwrap_or_else(|_| panic!())), before);
}

#[test]
fn a_secret_in_the_file_itself_is_warned_of_and_not_shown() {
    let texts = Texts::of(Path::new("branch.toml"), &guarded("hunter2"));
    let checked = check(texts, &registry()).unwrap_or_else(|_| panic!("it is in order"));
    let lines: Vec<String> = checked.report.lines().collect();
    assert_eq!(
        lines,
        ["branch.toml:9:12: warning: readers.vault.password: the secret itself stands here; \
             write \"env:NAME\" or \"file:PATH\""]
    );
    let shown = format!("{}{}", as_toml(&checked), as_json(&checked));
    assert!(!shown.contains("hunter2"), "{shown}");
    let pictures = checked.report.pictures();
    assert!(!pictures.contains("hunter2") && pictures.contains("*******"), "{pictures}");
}

proptest! {
    /// Whatever is wrong around it, and with its key, a secret in the file is not told.
    #[test]
    fn secrets_are_not_told_with_faults(
        at in any::<proptest::sample::Index>(),
        length in 0usize..40,
        by in "[ -~\\n]{0,6}",
        key in "(password|pasword|Password|passwd|hook_secret|auth-token)",
    ) {
        let good = guarded("hunter2").replacen("password", &key, 1);
        let line = good.find("hunter2").unwrap();
        let (start, end) = (good[..line].rfind('\n').unwrap(), line + good[line..].find('\n').unwrap());
        // Everywhere but in the line of the secret.
        let mut from = at.index(good.len());
        while !good.is_char_boundary(from) || (start..=end).contains(&from) {
            from = (from + 1) % good.len();
        }
        let most = if from < start { start } else { good.len() };
        let to = (from..=most.min(from + length)).rev().find(|to| good.is_char_boundary(*to)).unwrap();
        let text = format!("{}{by}{}", &good[..from], &good[to..]);
        let told = match check(Texts::of(Path::new("branch.toml"), &text), &registry()) {
            Ok(checked) => format!(
                "{}{}{}",
                checked.report.lines().collect::<String>(),
                checked.report.pictures(),
                as_json(&checked)
            ),
            Err(report) => format!(
                "{}{}{}",
                report.lines().collect::<String>(),
                report.pictures(),
                serde_json::Value::from(report.json())
            ),
        };
        prop_assert!(!told.contains("hunter2"), "{told}");
    }
}
