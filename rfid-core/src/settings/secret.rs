//! Secrets: named in configuration, read when it is checked, never printed.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

/// Largest secret that is read.
const LARGEST: u64 = 64 * 1024;

/// What is printed in place of a secret.
const MASK: &str = "***";

/// Where systemd puts the credentials of a service.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// A password or key.
///
/// Configuration says where it is: `"env:NAME"`, `"file:PATH"` or, for a credential of systemd,
/// `"cred:NAME"`. The value is read when the configuration is, prints as `***` everywhere, and is
/// wiped from memory when it is dropped. Text that is no reference is the secret itself; a host
/// warns of it. A relative path counts from the working folder, unless the host has put the
/// folder of the configuration before it, as `rfid-host` does.
///
/// A struct of options has it like any other value:
///
/// ```
/// use rfid_core::{Secret, Settings};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Options {
///     /// Signs what is sent.
///     secret: Secret,
/// }
///
/// let options: Options = Settings::from_toml("secret = \"env:PATH\"")?.parse()?;
/// assert_eq!(options.secret.to_string(), "***");
/// assert_eq!(options.secret.reveal(), std::env::var("PATH")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret that is at hand.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The secret that configuration text names, or is.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to do, without the secret.
    pub fn read(text: &str) -> Result<Self, String> {
        SecretSource::of(text).read()
    }

    /// The value, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Self::read(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "secret", "writeOnly": true, "minLength": 1 })
    }
}

/// Calls `visit` for each secret in options of this schema, with its JSON pointer below `pointer`.
pub fn each_secret(
    value: &mut Value,
    schema: &Value,
    pointer: &str,
    visit: &mut impl FnMut(&str, &mut String),
) {
    match value {
        Value::String(text) if is_secret(schema) => visit(pointer, text),
        Value::Object(table) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (key, value) in table {
                let schema = properties
                    .and_then(|properties| properties.get(key))
                    .or_else(|| schema.get("additionalProperties"));
                if let Some(schema) = schema {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    each_secret(value, schema, &format!("{pointer}/{key}"), visit);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter_mut().enumerate() {
                    each_secret(item, schema, &format!("{pointer}/{index}"), visit);
                }
            }
        }
        _ => {}
    }
    for alternative in ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten() {
        each_secret(value, alternative, pointer, visit);
    }
}

/// Whether what has this schema is a secret.
pub fn is_secret(schema: &Value) -> bool {
    schema.get("writeOnly").and_then(Value::as_bool).unwrap_or(false)
}

/// Where the text of a configuration says that a secret is.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the environment: `env:NAME`.
    Environment(String),
    /// A file that nobody but its owner can read: `file:PATH`.
    File(PathBuf),
    /// A credential that systemd hands to the service: `cred:NAME`.
    Credential(String),
    /// The text is the secret.
    Plain(Zeroizing<String>),
}

impl SecretSource {
    /// What this text refers to.
    pub fn of(text: &str) -> Self {
        match text.split_once(':') {
            Some(("env", name)) => Self::Environment(name.to_owned()),
            Some(("file", path)) => Self::File(PathBuf::from(path)),
            Some(("cred", name)) => Self::Credential(name.to_owned()),
            _ => Self::Plain(Zeroizing::new(text.to_owned())),
        }
    }

    /// The same with a relative path counted from this folder.
    pub fn beside(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            other => other,
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to do, without the secret.
    pub fn read(&self) -> Result<Secret, String> {
        let secret = match self {
            Self::Environment(name) => from_environment(name)?,
            Self::File(path) => from_file(path, true)?,
            Self::Credential(name) => from_credential(name)?,
            Self::Plain(text) => Secret(text.clone()),
        };
        if secret.0.is_empty() {
            return Err(format!("the secret that {self} names is empty"));
        }
        Ok(secret)
    }
}

/// As configuration writes it; a plain secret is not shown.
impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Credential(name) => write!(f, "cred:{name}"),
            Self::Plain(_) => f.write_str(MASK),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn from_environment(name: &str) -> Result<Secret, String> {
    // A name with these would make the standard library panic or never find it.
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err("write env:NAME with the name of a variable".to_owned());
    }
    match std::env::var(name) {
        Ok(value) => Ok(Secret::new(value)),
        Err(std::env::VarError::NotPresent) => {
            Err(format!("the environment has no {name}; set it, or write file:PATH"))
        }
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the value of {name} is not UTF-8")),
    }
}

fn from_credential(name: &str) -> Result<Secret, String> {
    let mut parts = Path::new(name).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
        return Err("write cred:NAME with the name of a credential".to_owned());
    }
    let Some(folder) = std::env::var_os(CREDENTIALS) else {
        return Err(format!(
            "there are no credentials: {CREDENTIALS} is not set; run under systemd with LoadCredential={name}:PATH"
        ));
    };
    // systemd guards the folder itself; an access list for the service shows as rights of a group.
    from_file(&Path::new(&folder).join(name), false)
}

/// Reads a file, less the line end behind the secret.
fn from_file(path: &Path, only_owner: bool) -> Result<Secret, String> {
    let name = path.display();
    let failed = |error: std::io::Error| format!("{name} cannot be read: {error}");
    // Before opening, which would wait for a writer of a pipe.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{name} is not a file"));
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if only_owner {
        refuse_open_to_others(&about, path)?;
    }
    if about.len() > LARGEST {
        return Err(format!("{name} has {} bytes; a secret has at most {LARGEST}", about.len()));
    }
    // With room for all of it, so that growing leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST as usize + 1));
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("{name}: a secret has at most {LARGEST} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{name} is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Secret::new(text.strip_suffix('\r').unwrap_or(text)))
}

#[cfg(unix)]
fn refuse_open_to_others(about: &std::fs::Metadata, path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let name = path.display();
    Err(format!("{name} is open to others (mode {mode:04o}); run: chmod 600 {name}"))
}

#[cfg(not(unix))]
fn refuse_open_to_others(_: &std::fs::Metadata, _: &Path) -> Result<(), String> {
    Ok(())
}
