//! Requests over HTTP/1.1, with TLS by rustls.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rfid_core::{Clock, DurationText, Error, ErrorKind, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use super::addresses::Resolver;
use super::config::Webhook;
use super::transport::{Answer, Failure, Post, Transport, judge};

const CONTENT: HeaderValue = HeaderValue::from_static("application/cloudevents+json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("rfid-host/", env!("CARGO_PKG_VERSION")));

/// What is read of an answer's body, so that the connection can be used again. Nobody looks at it.
const MOST_OF_A_BODY: usize = 64 * 1024;
/// How long the body of an answer may take, after which its connection is given up.
const BODY_LIMIT: Duration = Duration::from_secs(2);
/// How long a connection without work is kept.
const IDLE: Duration = Duration::from_secs(60);

type HttpClient = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// Posts to one URL, and to nothing else.
pub(crate) struct HttpTransport {
    client: OnceCell<HttpClient>,
    url: Uri,
    ca_file: Option<PathBuf>,
    concurrent: usize,
    time_out: Duration,
    clock: Arc<dyn Clock>,
}

impl HttpTransport {
    /// Reads nothing and makes no connection yet.
    pub(crate) fn new(webhook: &Webhook, clock: Arc<dyn Clock>) -> Self {
        Self {
            client: OnceCell::new(),
            url: webhook.url.clone(),
            ca_file: webhook.ca_file.clone(),
            concurrent: webhook.concurrent,
            time_out: webhook.time_out,
            clock,
        }
    }

    /// Whether requests could be made, without making one.
    ///
    /// # Errors
    /// `Config` if `ca_file` cannot be used.
    pub(crate) async fn probe(&self) -> Result<()> {
        self.client().await.map(|_| ())
    }

    /// The client, made with the first request. A `ca_file` that cannot be read is read again with
    /// the next one.
    async fn client(&self) -> Result<&HttpClient> {
        self.client
            .get_or_try_init(|| async {
                let ca_file = self.ca_file.clone();
                let tls = tokio::task::spawn_blocking(move || tls(ca_file.as_deref())).await;
                let tls =
                    tls.map_err(|error| Error::new(ErrorKind::Panicked, "TLS").with_source(error))??;
                let host = self.url.host().unwrap_or_default();
                let mut tcp = HttpConnector::new_with_resolver(Resolver::for_host(host));
                tcp.enforce_http(false);
                tcp.set_nodelay(true);
                tcp.set_connect_timeout(Some(self.time_out));
                let connector = HttpsConnectorBuilder::new()
                    .with_tls_config(tls)
                    .https_or_http()
                    .enable_http1()
                    .wrap_connector(tcp);
                Ok(Client::builder(TokioExecutor::new())
                    .pool_timer(TokioTimer::new())
                    .pool_idle_timeout(IDLE)
                    .pool_max_idle_per_host(self.concurrent)
                    .build(connector))
            })
            .await
    }

    fn request(&self, post: Post) -> hyper::http::Result<Request<Full<Bytes>>> {
        Request::builder()
            .method(Method::POST)
            .uri(self.url.clone())
            .header(CONTENT_TYPE, CONTENT)
            .header(USER_AGENT, AGENT)
            .header("webhook-id", post.id)
            .header("webhook-timestamp", post.timestamp)
            .header("webhook-signature", post.signature)
            .body(Full::new(post.body))
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn post(&self, post: Post) -> Answer {
        let request = match self.request(post) {
            Ok(request) => request,
            Err(error) => return failed(format!("the request cannot be made: {error}"), false),
        };
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => return failed(format!("{error:#}"), true),
        };
        let response = match tokio::time::timeout(self.time_out, client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => {
                return failed(format!("the receiver cannot be reached: {}", causes(&error)), true);
            }
            Ok(Err(error)) => return failed(format!("the receiver broke off: {}", causes(&error)), false),
            Err(_) => {
                let limit = DurationText(self.time_out);
                return failed(format!("the receiver did not answer within {limit}"), false);
            }
        };
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let answer = judge(response.status(), retry_after, self.clock.now().utc);
        // The answer stands, however its body goes on.
        let _ = tokio::time::timeout(BODY_LIMIT, read_some(response.into_body())).await;
        answer
    }
}

fn failed(why: String, unreachable: bool) -> Answer {
    Answer::Failed(Failure { why, status: None, unreachable, after: None })
}

/// Reads a body as far as is reasonable. Dropping the rest closes the connection.
async fn read_some(mut body: Incoming) {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > MOST_OF_A_BODY {
            return;
        }
    }
}

/// What stands behind an error, without hyper's own words in front of it.
fn causes(error: &dyn StdError) -> String {
    let mut said = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Wrappers that repeat what they wrap say it once.
        if said.last() != Some(&words) {
            said.push(words);
        }
        cause = error.source();
    }
    if said.is_empty() { error.to_string() } else { said.join(": ") }
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig> {
    let failed = |detail: String| Error::new(ErrorKind::Config, "TLS").with_detail(detail);
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let unreadable = |why: String| failed(format!("ca_file {}: {why}", path.display()));
        let mut count = 0;
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?
        {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(unreadable("there is no certificate in it".to_owned()));
        }
    }
    // The provider is named here and nowhere else.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(format!("TLS: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
