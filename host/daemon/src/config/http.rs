//! `[http]`: who may connect, and under which certificate.

use std::path::PathBuf;

use rfid_core::settings::schema_of;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::HostConfig;
use super::checker::{At, Checker};
use super::fault::Severity;

/// `[http]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpSection {
    /// HTTPS under this certificate; "local-authority" makes one in data_dir, with an authority of its
    /// own that browsers have to be told of. HTTP in the clear if left out.
    tls: Option<TlsSection>,
    /// TLS 1.2 beside 1.3, for clients that cannot do better.
    tls_1_2: bool,
    /// Names and addresses that requests may be sent to, without a port; any if none are named. With
    /// names, a page of another site cannot reach the host under a name of its own.
    hosts: Vec<String>,
    /// Connections at once, from wherever; an open screen is one. Each takes a file of the process, of
    /// which they get half at most, and up to 32 KiB.
    #[schemars(range(min = 16, max = 1_000_000))]
    connections: usize,
    /// Connections of one address, or of one network of IPv6; those of the machine itself are not
    /// counted.
    #[schemars(range(min = 1, max = 100_000))]
    connections_per_address: usize,
}

impl Default for HttpSection {
    fn default() -> Self {
        let (connections, connections_per_address) = (1024, 200);
        Self { tls: None, tls_1_2: false, hosts: Vec::new(), connections, connections_per_address }
    }
}

/// Where the certificate is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TlsSection {
    /// File of the certificate and of those between it and its authority, in PEM.
    #[serde(default)]
    certificate: Option<PathBuf>,
    /// File of its key, in PEM.
    #[serde(default)]
    key: Option<PathBuf>,
    /// Make a certificate instead, by an authority of the host's own.
    #[serde(default)]
    local_authority: bool,
}

/// `[http]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HttpConfig {
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) with_tls_1_2: bool,
    pub(crate) hosts: Vec<String>,
    pub(crate) connections: usize,
    pub(crate) connections_per_address: usize,
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TlsConfig {
    /// From these files.
    Files { certificate: PathBuf, key: PathBuf },
    /// From an authority in the data folder.
    LocalAuthority,
}

impl Checker<'_> {
    /// `[http]`, as far as it is in order.
    pub(super) fn http(&mut self, host: Option<&HostConfig>) -> Option<HttpConfig> {
        let table = self.tree.root.get("http").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        if !table.is_object() {
            return None;
        }
        let section: HttpSection = self.typed(&table, &schema_of::<HttpSection>(), "/http")?;
        let tls = match section.tls {
            None => None,
            Some(TlsSection { certificate: Some(certificate), key: Some(key), local_authority: false }) => {
                let folder = self.folder("/http/tls");
                Some(TlsConfig::Files { certificate: folder.join(certificate), key: folder.join(key) })
            }
            Some(TlsSection { certificate: None, key: None, local_authority: true }) => {
                Some(TlsConfig::LocalAuthority)
            }
            Some(_) => {
                let message = "needs certificate and key, or local_authority = true";
                self.at_value("/http/tls", message);
                return None;
            }
        };
        let is_open = host.is_some_and(|host| !host.listen.ip().is_loopback());
        if tls.is_none() && is_open {
            let message = "others can read along without [http] tls; put a gateway with TLS before it, or name a certificate";
            self.add("/host/listen", At::Value, Severity::Warning, message, None);
        }
        if tls.is_none() && section.tls_1_2 {
            self.at_key("/http/tls_1_2", "has no effect without tls");
            return None;
        }
        Some(HttpConfig {
            tls,
            with_tls_1_2: section.tls_1_2,
            hosts: section.hosts,
            connections: section.connections,
            connections_per_address: section.connections_per_address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{GOOD, checked, warnings};

    fn http(table: &str) -> Result<HttpConfig, String> {
        let text = GOOD.replacen("[branches.hubin]", &format!("[http]\n{table}\n[branches.hubin]"), 1);
        checked(&text).map(|config| config.http).map_err(|faults| faults.join("\n"))
    }

    #[test]
    fn a_certificate_is_two_files_or_made_here() {
        assert_eq!(http("").unwrap().tls, None);
        let files = http("tls = { certificate = \"bank.pem\", key = \"/etc/bank.key\" }").unwrap().tls;
        assert!(matches!(files, Some(TlsConfig::Files { key, .. }) if key == *"/etc/bank.key"));
        assert_eq!(http("tls = { local_authority = true }").unwrap().tls, Some(TlsConfig::LocalAuthority));
        for wrong in ["certificate = \"a\"", "", "certificate = \"a\", key = \"b\", local_authority = true"] {
            let said = http(&format!("tls = {{ {wrong} }}")).unwrap_err();
            assert!(said.contains("http.tls: needs certificate and key"), "{said}");
        }
        assert!(http("tls_1_2 = true").unwrap_err().contains("has no effect without tls"));
        assert!(http("connections_per_address = 0").is_err());
        assert!(http("connections = 15").is_err());
        assert_eq!(http("connections = 12000").unwrap().connections, 12_000);
    }

    #[test]
    fn whoever_lets_others_read_along_is_told() {
        let said = warnings("listen = \"127.0.0.1:8460\"", "listen = \"0.0.0.0:8460\"");
        assert!(said.iter().any(|line| line.contains("host.listen: others can read along")), "{said:?}");
    }
}
