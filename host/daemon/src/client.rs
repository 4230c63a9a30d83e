//! Asking a daemon that runs, over its HTTP.

use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use axum::body::Body;
use bytes::{Buf, BytesMut};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::cli::At;

/// Largest answer that is taken as a whole.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Largest line of an event stream.
const LARGEST_LINE: usize = 1024 * 1024;

/// Where daemons listen if nobody says otherwise.
const USUAL: &str = "127.0.0.1:8460";

/// A daemon that runs, by its address.
pub(crate) struct Client {
    address: String,
}

/// The daemon does not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    detail: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refused {}

/// One server-sent event.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) event: String,
    pub(crate) data: String,
}

impl Client {
    /// The daemon at this address, or the one that runs this configuration.
    pub(crate) fn new(at: &At) -> anyhow::Result<Self> {
        let address = match (at.at.as_deref(), at.daemon.files()) {
            (Some(at), _) => {
                let at = at.trim_start_matches("http://").trim_end_matches('/');
                if at.contains(':') { at.to_owned() } else { format!("{at}:8460") }
            }
            (None, Some(files)) => reachable(crate::command::listen_address(&files)?),
            (None, None) => USUAL.to_owned(),
        };
        Ok(Self { address })
    }

    /// The JSON that stands under a path.
    pub(crate) async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let response = self.get(path).await?;
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer breaks off: {error}"))?.to_bytes();
        Ok(serde_json::from_slice(&body)?)
    }

    /// The stream of events under a path.
    pub(crate) async fn stream(&self, path: &str) -> anyhow::Result<Events> {
        Ok(Events { body: self.get(path).await?.into_body(), text: BytesMut::new() })
    }

    /// The bytes that a request without a body brings, as they come.
    pub(crate) async fn post(&self, path: &str) -> anyhow::Result<Incoming> {
        Ok(self.ask(Method::POST, path).await?.into_body())
    }

    async fn get(&self, path: &str) -> anyhow::Result<Response<Incoming>> {
        self.ask(Method::GET, path).await
    }

    async fn ask(&self, method: Method, path: &str) -> anyhow::Result<Response<Incoming>> {
        let address = &self.address;
        let not_there = || {
            format!(
                "no daemon answers at {address}; start one with `rfid-host run`, or say --at HOST:PORT where it listens"
            )
        };
        let stream = TcpStream::connect(address.as_str()).await.with_context(not_there)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.with_context(not_there)?;
        // It ends with the answer's body or with `sender`.
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::HOST, address.as_str()).body(Body::empty())?;
        let response = sender.send_request(request).await.with_context(not_there)?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await.ok();
        let problem = body.and_then(|body| serde_json::from_slice::<Value>(&body.to_bytes()).ok());
        match problem.as_ref().and_then(|problem| problem["detail"].as_str()) {
            Some(detail) => Err(Refused { status, detail: detail.to_owned() }.into()),
            None => bail!("the daemon at {address} answers {status}; is it an rfid-host of this version?"),
        }
    }
}

/// A daemon that listens everywhere is asked on this machine.
fn reachable(listen: SocketAddr) -> String {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(if listen.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address.to_string()
}

/// A stream of server-sent events.
pub(crate) struct Events {
    body: Incoming,
    text: BytesMut,
}

impl Events {
    /// The next event, or `None` when the daemon has ended the stream.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Sent>> {
        let mut sent = Sent::default();
        loop {
            while let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line = self.text.split_to(end);
                self.text.advance(1);
                let line = String::from_utf8_lossy(&line);
                match line.split_once(':') {
                    Some(("event", event)) => sent.event = event.trim_start().to_owned(),
                    Some(("data", data)) => sent.data.push_str(data.trim_start()),
                    _ if line.is_empty() && !sent.event.is_empty() => return Ok(Some(sent)),
                    _ => {}
                }
            }
            if self.text.len() > LARGEST_LINE {
                bail!("the daemon sends a line of more than {LARGEST_LINE} bytes");
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Some(bytes) = frame.context("the daemon is gone")?.data_ref() {
                        self.text.extend_from_slice(bytes);
                    }
                }
                None => return Ok(None),
            }
        }
    }
}
