//! Exports through HTTP: from the question to the file, which comes once.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use rfid_service::rights::Role;
use rfid_service::service::bank::Bank;
use rfid_service::service::{Caller, ConsentDraft, CustomerDraft};
use serde_json::{Value, json};
use tower_service::Service as _;

use super::Api;
use crate::calling::COOKIE;
use crate::clients::Clients;

struct Person<'a> {
    router: &'a Router,
    cookie: String,
    proof: String,
}

impl Person<'_> {
    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, HeaderMap, Vec<u8>) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("cookie", &self.cookie)
            .header("x-session-proof", &self.proof)
            .header("x-reason", "a complaint of Monday")
            .header("if-match", "\"1\"")
            .header("content-type", "application/json");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = self.router.clone().call(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status.as_u16(), parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }

    async fn json(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, _, bytes) = self.ask(method, path, body).await;
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// Looks until an export is made.
    async fn made(&self, id: &str) -> Value {
        for _ in 0..500 {
            let (status, export) = self.json("GET", &format!("/api/v1/exports/{id}"), Value::Null).await;
            assert_eq!(status, 200);
            if export["state"] != "pending" {
                return export;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it is not made");
    }
}

async fn person<'a>(bank: &Bank, router: &'a Router, number: &str, role: Role) -> Person<'a> {
    bank.employ(number, "a", &[role]).await;
    let keys = bank.session(number, "unknown").await;
    Person { router, cookie: format!("{COOKIE}={}", *keys.token), proof: keys.proof }
}

async fn bank_with_a_visit() -> Bank {
    let bank = Bank::new().await;
    let (service, console) = (&bank.service, Caller::console());
    bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    let draft = CustomerDraft {
        customer_number: "6001".into(),
        name: "张小明".into(),
        id_number: Some("11010519491231002X".into()),
        employer: "".into(),
        vip_class: "gold".to_owned(),
        usual_business: "".into(),
        branch: "a".to_owned(),
        account_manager: None,
        notes: "".into(),
        consent: ConsentDraft::Given,
    };
    service.open_customer(&console, draft).await.unwrap();
    service.check_in(&console, "6001", "a", Some("LM1")).await.unwrap();
    bank.wait(Duration::from_secs(60));
    bank
}

#[tokio::test]
async fn an_export_is_asked_for_made_and_fetched_once_by_who_asked() {
    let bank = bank_with_a_visit().await;
    let keeping = Arc::clone(&bank.service);
    let keeper = tokio::spawn(async move { keeping.keep_exports().await });
    let service = Arc::clone(&bank.service);
    let router = Api::new(service, Clients::default(), [7; 32], bank.clock.clone()).router();
    let supervisor = person(&bank, &router, "BS1", Role::BranchSupervisor).await;
    let centre = person(&bank, &router, "CS1", Role::CentreSupervisor).await;
    let draft = json!({ "from": "2026-11-29", "to": "2026-11-29", "format": "xlsx", "purpose": "complaint" });
    let (status, begun) = supervisor.json("POST", "/api/v1/exports", draft.clone()).await;
    assert_eq!((status, &begun["export"]["rows"]), (202, &json!(1)), "{begun}");
    let (link, key) = (begun["link"].as_str().unwrap(), json!({ "key": begun["key"] }));
    let id = begun["export"]["id"].as_str().unwrap();
    let made = supervisor.made(id).await;
    assert_eq!((&made["state"], &made["reason"]), (&json!("ready"), &json!("a complaint of Monday")));
    assert!(!made.to_string().contains(begun["key"].as_str().unwrap()));
    // Whoever found the link and the key is somebody else; and a key that is guessed opens nothing.
    assert_eq!(centre.json("POST", link, key.clone()).await.0, 404);
    assert_eq!(supervisor.json("POST", link, json!({ "key": "0".repeat(64) })).await.0, 422);
    let (status, headers, file) = supervisor.ask("POST", link, key.clone()).await;
    assert_eq!((status, &headers["cache-control"]), (200, &"no-store".parse().unwrap()));
    assert!(headers["content-disposition"].to_str().unwrap().ends_with(".xlsx\"") && file.starts_with(b"PK"));
    assert_eq!(supervisor.json("POST", link, key).await.0, 409);
    assert_eq!(supervisor.made(id).await["state"], "fetched");
    let (_, list) = centre.json("GET", "/api/v1/exports", Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    keeper.abort();
}

#[tokio::test]
async fn who_came_is_exported_when_somebody_else_has_approved_it() {
    let bank = bank_with_a_visit().await;
    let keeping = Arc::clone(&bank.service);
    let keeper = tokio::spawn(async move { keeping.keep_exports().await });
    let service = Arc::clone(&bank.service);
    let router = Api::new(service, Clients::default(), [7; 32], bank.clock.clone()).router();
    let supervisor = person(&bank, &router, "BS1", Role::BranchSupervisor).await;
    let draft = json!({
        "from": "2026-11-29", "to": "2026-11-29", "format": "csv", "purpose": "authority", "unmasked": true,
    });
    assert_eq!(supervisor.json("POST", "/api/v1/exports", draft.clone()).await.0, 409);
    let asked = json!({ "kind": "export_visits", "draft": draft, "reason": "the inspector asks" });
    let (status, request) = supervisor.json("POST", "/api/v1/requests", asked).await;
    assert_eq!((status, &request["content"]["content"]["rows"]), (201, &json!(1)), "{request}");
    let path = format!("/api/v1/requests/{}", request["id"].as_str().unwrap());
    assert_eq!(supervisor.json("POST", &format!("{path}/submit"), Value::Null).await.0, 200);
    let export = format!("{path}/export");
    assert_eq!(supervisor.json("POST", &export, Value::Null).await.0, 409);
    // The centre is at another desk.
    let centre = bank.person("CS1", &[Role::CentreSupervisor]).await;
    let hash = request["hash"].as_str().unwrap();
    let id = request["id"].as_str().unwrap().parse().unwrap();
    assert!(bank.service.approve_request(&centre, id, hash).await.is_ok());
    let (status, begun) = supervisor.json("POST", &export, Value::Null).await;
    assert_eq!(status, 202, "{begun}");
    assert_eq!(supervisor.json("POST", &export, Value::Null).await.0, 409);
    supervisor.made(begun["export"]["id"].as_str().unwrap()).await;
    let link = begun["link"].as_str().unwrap();
    let (status, _, file) = supervisor.ask("POST", link, json!({ "key": begun["key"] })).await;
    let text = String::from_utf8(file).unwrap();
    assert!(
        status == 200 && text.starts_with("\u{feff}export_number,customer_number,customer_name,"),
        "{text}"
    );
    assert!(text.contains(",6001,张小明,") && !text.contains("11010519491231002X"), "{text}");
    keeper.abort();
}
