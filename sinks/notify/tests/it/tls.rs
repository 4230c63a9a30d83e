//! Certificates are checked, always.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;

use crate::receiver::{Manner, Receiver};
use crate::stage::{Stage, events, get, until, webhook};

/// A certificate authority of our own, and a receiver with a certificate for `name` from it.
async fn receiver(stage: &Stage, name: &str) -> (Receiver, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let ca_file = stage.folder.path().join("ca.pem");
    std::fs::write(&ca_file, ca.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    (Receiver::start_at("127.0.0.1:0", Manner::Takes, Some(acceptor)).await, ca_file)
}

fn url(receiver: &Receiver) -> String {
    format!("https://localhost:{}/hook", receiver.address.port())
}

/// Delivers one event to a webhook and returns its trouble.
async fn trouble(stage: &Stage, url: &str, more: &str) -> String {
    let mut sink = stage.sink(&[webhook("hook", url, more)]).await;
    sink.deliver(&mut events(0..1)).await.unwrap();
    until("trouble", || !stage.status("hook").is_up()).await;
    let trouble = stage.status("hook").trouble().unwrap();
    sink.close().await.unwrap();
    trouble
}

#[tokio::test]
async fn a_certificate_of_ones_own_authority_is_trusted_when_configured() {
    let stage = Stage::new();
    let (receiver, ca_file) = receiver(&stage, "localhost").await;
    let more = format!(", ca_file = \"{}\"", ca_file.display());
    let mut sink = stage.sink(&[webhook("hook", &url(&receiver), &more)]).await;
    sink.deliver(&mut events(0..20)).await.unwrap();
    until("delivery", || get(&stage.status("hook").delivered) == 20).await;
    assert_eq!(receiver.count(), 20);
    sink.close().await.unwrap();
}

#[tokio::test]
async fn an_unknown_issuer_is_refused_and_named() {
    let stage = Stage::new();
    let (receiver, _) = receiver(&stage, "localhost").await;
    let said = trouble(&stage, &url(&receiver), "").await;
    assert!(said.contains("UnknownIssuer"), "{said}");
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_and_named() {
    let stage = Stage::new();
    let (receiver, ca_file) = receiver(&stage, "other.example.com").await;
    let said = trouble(&stage, &url(&receiver), &format!(", ca_file = \"{}\"", ca_file.display())).await;
    assert!(said.contains("not valid for name"), "{said}");
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_missing_ca_file_is_named_and_never_worked_around() {
    let stage = Stage::new();
    let (receiver, _) = receiver(&stage, "localhost").await;
    let said = trouble(&stage, &url(&receiver), ", ca_file = \"/nonexistent/ca.pem\"").await;
    assert!(said.contains("ca_file /nonexistent/ca.pem"), "{said}");
    assert_eq!(receiver.count(), 0);
}
