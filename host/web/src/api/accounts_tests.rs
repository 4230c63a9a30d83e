//! Accounts through HTTP: a reset by whoever may do that alone.

use axum::body::Body as HttpBody;
use axum::http::Request;
use http_body_util::BodyExt;
use rfid_service::rights::Role;
use rfid_service::service::bank::{Bank, PASSWORD};
use serde_json::json;
use tower_service::Service as _;

use super::*;
use crate::calling::COOKIE;

/// Somebody at a program of their own.
struct Person {
    router: Router,
    headers: Vec<(&'static str, String)>,
}

impl Person {
    async fn of(bank: &Bank, router: &Router, number: &str, role: Role) -> Self {
        bank.employ(number, "a", &[role]).await;
        let keys = bank.session(number, "unknown").await;
        let headers =
            vec![("cookie", format!("{COOKIE}={}", *keys.token)), ("x-session-proof", keys.proof.clone())];
        Self { router: router.clone(), headers }
    }

    async fn post(&self, path: &str) -> (u16, Value) {
        post(&self.router, path, &self.headers, Value::Null).await
    }
}

async fn post(router: &Router, path: &str, headers: &[(&'static str, String)], body: Value) -> (u16, Value) {
    let mut request = Request::builder().method("POST").uri(path).header("host", "bank:1");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let body = match body {
        Value::Null => HttpBody::empty(),
        body => {
            request = request.header("content-type", "application/json");
            HttpBody::from(body.to_string())
        }
    };
    let answer = router.clone().call(request.body(body).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

#[tokio::test]
async fn an_account_is_reset_at_once_by_security_and_its_code_comes_in_two_halves() {
    let bank = Bank::new().await;
    let clock = bank.clock.clone();
    let router = Api::new(Arc::clone(&bank.service), Clients::default(), [7; 32], clock).router();
    let of = async |number: &str, role| Person::of(&bank, &router, number, role).await;
    let security = of("SE1", Role::SecurityAdministrator).await;
    let lobby = of("LM1", Role::LobbyManager).await;
    // Nobody is there who could hold the other half.
    assert_eq!(security.post("/api/v1/accounts/LM1/reset").await.0, 409);
    let supervisor = of("BS1", Role::BranchSupervisor).await;
    assert_eq!(security.post("/api/v1/accounts/SE1/reset").await.0, 409, "one's own");
    assert_eq!(security.post("/api/v1/accounts/XX9/reset").await.0, 404);
    for other in [&lobby, &supervisor] {
        assert_eq!(other.post("/api/v1/accounts/LM1/reset").await.0, 403);
    }
    let (status, reset) = security.post("/api/v1/accounts/LM1/reset").await;
    assert_eq!(
        (status, &reset["kind"], &reset["state"]),
        (200, &json!("reset_account"), &json!("done")),
        "{reset}"
    );
    // Whoever was logged in is not any more, and the old password lets nobody in.
    assert_eq!(lobby.post("/api/v1/session/proof").await.0, 401);
    let old = json!({ "staff_number": "LM1", "password": PASSWORD });
    assert_eq!(post(&router, "/api/v1/session", &[], old).await.0, 401);
    let fetch = format!("/api/v1/requests/{}/code", reset["id"].as_str().unwrap());
    assert_eq!(security.post(&fetch).await.0, 404, "who reset it gets the one half alone");
    let (status, kept) = supervisor.post(&fetch).await;
    assert_eq!(status, 200, "{kept}");
    assert_eq!(supervisor.post(&fetch).await.0, 404, "once");
    let (kept, told) = (kept["code_half"].as_str().unwrap(), reset["code_half"].as_str().unwrap());
    let password = "ombre walnut trellis";
    let accept = async |code: &str| {
        let body = json!({ "staff_number": "LM1", "code": code, "password": password });
        post(&router, "/api/v1/invitation", &[], body).await.0
    };
    assert_eq!((accept(told).await, accept(kept).await), (401, 401));
    assert_eq!(accept(&format!("{kept}{told}")).await, 204);
    let new = json!({ "staff_number": "LM1", "password": password });
    assert_eq!(post(&router, "/api/v1/session", &[], new).await.0, 200);
}

#[tokio::test]
async fn a_reset_needs_a_proof_that_is_not_old() {
    let bank = Bank::new().await;
    let clock = bank.clock.clone();
    let router = Api::new(Arc::clone(&bank.service), Clients::default(), [7; 32], clock).router();
    let security = Person::of(&bank, &router, "SE1", Role::SecurityAdministrator).await;
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    bank.employ("BS1", "a", &[Role::BranchSupervisor]).await;
    bank.wait(std::time::Duration::from_secs(600));
    let (status, refused) = security.post("/api/v1/accounts/LM1/reset").await;
    assert_eq!(status, 403, "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("/api/v1/session/proof"), "{refused}");
    let as_before = json!({ "staff_number": "LM1", "password": PASSWORD });
    assert_eq!(post(&router, "/api/v1/session", &[], as_before).await.0, 200);
}
