//! Secrets: where they may come from, and that they never show.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rfid_core::settings::{SecretSource, schema_of};
use rfid_core::{Secret, Settings};

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Opens the door.
    password: Secret,
    /// Opens another one.
    #[serde(default)]
    other: Option<Secret>,
}

fn file(folder: &tempfile::TempDir, name: &str, content: &[u8], mode: u32) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn fault(text: &str) -> String {
    Secret::read(text).unwrap_err()
}

#[test]
fn a_file_gives_its_text_without_the_line_end() {
    let folder = tempfile::tempdir().unwrap();
    for (content, value) in [("open sesame", "open sesame"), ("a b \r\n", "a b "), ("x\n\n", "x\n")] {
        let path = file(&folder, "secret", content.as_bytes(), 0o600);
        assert_eq!(Secret::read(&format!("file:{}", path.display())).unwrap().reveal(), value);
        let source = SecretSource::of("file:secret").beside(folder.path());
        assert_eq!(source.read().unwrap().reveal(), value);
        assert_eq!(source.to_string(), format!("file:{}", path.display()));
    }
}

#[test]
fn what_cannot_be_a_secret_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &Path| fault(&format!("file:{}", path.display()));
    let open = file(&folder, "open", b"x", 0o640);
    let name = open.display();
    assert_eq!(at(&open), format!("{name} is open to others (mode 0640); run: chmod 600 {name}"));
    assert!(at(&file(&folder, "large", &vec![b'x'; 65_537], 0o600)).contains("at most 65536"));
    assert!(
        Secret::read(&format!("file:{}", file(&folder, "most", &vec![b'x'; 65_536], 0o400).display()))
            .is_ok()
    );
    assert!(at(&file(&folder, "bytes", &[0xFF, 0xFE], 0o600)).ends_with("is not UTF-8"));
    assert!(at(&file(&folder, "empty", b"\n", 0o600)).ends_with("is empty"));
    assert!(at(folder.path()).ends_with("is not a file"));
    assert!(at(&folder.path().join("none")).contains("cannot be read: No such file"));
    assert!(at(Path::new("/dev/zero")).ends_with("is not a file"));
    assert_eq!(
        fault("env:RFID_TEST_NEVER_SET"),
        "the environment has no RFID_TEST_NEVER_SET; set it, or write file:PATH"
    );
    assert!(fault("env:").contains("name of a variable"));
    assert!(fault("env:A=B").contains("name of a variable"));
    for name in ["cred:", "cred:../x", "cred:a/b", "cred:/etc/shadow"] {
        assert!(fault(name).contains("name of a credential"), "{name}");
    }
    assert_eq!(fault(""), "the secret that *** names is empty");
}

#[test]
fn a_secret_never_shows() {
    let settings = Settings::new(serde_json::json!({ "password": "hunter2", "other": "hunter3" }));
    let options: Options = settings.parse().unwrap();
    let all = format!(
        "{options:?} {options:#?} {} {settings:?} {:?}",
        serde_json::to_string(&options).unwrap(),
        SecretSource::of("hunter2")
    );
    assert!(!all.contains("hunter"), "{all}");
    assert_eq!(options.other.unwrap().reveal(), "hunter3");
}

#[test]
fn the_schema_says_that_it_is_written_only() {
    let schema = schema_of::<Options>();
    for key in ["password", "other"] {
        assert_eq!(schema["properties"][key]["writeOnly"], true);
        assert_eq!(schema["properties"][key]["format"], "secret");
    }
    assert_eq!(schema["properties"]["password"]["description"], "Opens the door.");
}

#[test]
fn a_missing_secret_is_a_fault_of_the_options() {
    let settings = Settings::from_toml("password = \"env:RFID_TEST_NEVER_SET\"").unwrap();
    assert!(settings.parse::<Options>().unwrap_err().to_string().contains("the environment has no"));
}
