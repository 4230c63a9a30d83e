//! A receiver of webhooks under test.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// The key that requests are signed with.
pub(crate) const KEY: &str = "a key for tests";

/// What a receiver is told to do that is to give no answer.
pub(crate) const SILENCE: u16 = 0;

/// One request, and what it was answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) id: String,
    timestamp: String,
    signature: String,
    body: Vec<u8>,
    status: u16,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// As docs/webhooks.md tells a receiver to do.
    pub(crate) fn is_genuine(&self) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
        mac.update(format!("{}.{}.", self.id, self.timestamp).as_bytes());
        mac.update(&self.body);
        self.signature == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Notes what comes, and answers with the status that it is told.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    status: Arc<AtomicU16>,
    got: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    pub(crate) fn listen(address: &str, status: u16) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            status: Arc::new(AtomicU16::new(status)),
            got: Arc::default(),
        };
        let (status, got) = (Arc::clone(&receiver.status), Arc::clone(&receiver.got));
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (status, got) = (Arc::clone(&status), Arc::clone(&got));
                std::thread::spawn(move || serve(stream, &status, &got));
            }
        });
        receiver
    }

    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// All requests that were answered with this status.
    pub(crate) fn answered(&self, status: u16) -> Vec<Request> {
        let got = self.got.lock().unwrap();
        got.iter().filter(|request| request.status == status).cloned().collect()
    }

    /// Their ids.
    pub(crate) fn ids(&self, status: u16) -> BTreeSet<String> {
        self.answered(status).into_iter().map(|request| request.id).collect()
    }
}

fn serve(stream: TcpStream, status: &AtomicU16, got: &Mutex<Vec<Request>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream);
    loop {
        let (mut request, mut length) = (Request::default(), 0);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end().split_once(": ") {
                Some(("webhook-id", value)) => request.id = value.to_owned(),
                Some(("webhook-timestamp", value)) => request.timestamp = value.to_owned(),
                Some(("webhook-signature", value)) => request.signature = value.to_owned(),
                Some(("content-length", value)) => length = value.parse().unwrap(),
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        request.body = vec![0; length];
        if lines.read_exact(&mut request.body).is_err() {
            return;
        }
        request.status = status.load(Ordering::SeqCst);
        let answer = request.status;
        got.lock().unwrap().push(request);
        let head = format!("HTTP/1.1 {answer} As told\r\ncontent-length: 0\r\n\r\n");
        // 204 has no length; a client that is strict would say so.
        let head = if answer == 204 { "HTTP/1.1 204 No Content\r\n\r\n".to_owned() } else { head };
        if answer != SILENCE && writer.write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}
