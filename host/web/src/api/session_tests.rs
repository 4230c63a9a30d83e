//! Sessions through HTTP: how they begin, what they need, and what ends them.

use axum::body::Body as HttpBody;
use axum::http::Request;
use http_body_util::BodyExt;
use rfid_service::rights::Role;
use rfid_service::service::bank::{Bank, PASSWORD};
use serde_json::json;
use tower_service::Service as _;

use super::*;

struct Desk {
    bank: Bank,
    router: Router,
}

struct Said {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Desk {
    async fn new() -> Self {
        let bank = Bank::new().await;
        let clock = bank.clock.clone();
        let router = Api::new(Arc::clone(&bank.service), Clients::default(), [7; 32], clock).router();
        Self { bank, router }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Said {
        let mut request = Request::builder().method(method).uri(path).header("host", "bank:1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Value::Null => HttpBody::empty(),
            body => {
                request = request.header("content-type", "application/json");
                HttpBody::from(body.to_string())
            }
        };
        let answer = self.router.clone().call(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Said { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Logs a lobby manager in. Returns the cookie and the proof.
    async fn logged_in(&self) -> (String, String) {
        let body = json!({ "staff_number": "LM1", "password": PASSWORD });
        let said = self.send("POST", "/api/v1/session", &[], body).await;
        assert_eq!(said.status, 200, "{}", said.body);
        let cookie = said.headers["set-cookie"].to_str().unwrap();
        let pair = cookie.split(';').next().unwrap().to_owned();
        (pair, said.body["proof"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_session_is_a_cookie_that_no_page_reads_and_a_proof_that_no_other_page_knows() {
    let desk = Desk::new().await;
    desk.bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    let body = json!({ "staff_number": "LM1", "password": PASSWORD });
    let said = desk.send("POST", "/api/v1/session", &[], body.clone()).await;
    let cookie = said.headers["set-cookie"].to_str().unwrap();
    for flag in ["__Host-", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert_eq!(said.headers["cache-control"], "no-store");
    assert_eq!((&said.body["roles"], &said.body["failures_before"]), (&json!(["lobby_manager"]), &json!(0)));
    let foreign = [("origin", "https://elsewhere:1")];
    assert_eq!(desk.send("POST", "/api/v1/session", &foreign, body).await.status, 403);
    let (cookie, proof) = desk.logged_in().await;
    let duty = async |headers: &[(&str, &str)]| {
        desk.send("PUT", "/api/v1/staff/LM1/duty", headers, json!({ "on_duty": true })).await.status
    };
    let cookie = ("cookie", cookie.as_str());
    assert_eq!(duty(&[]).await, 401);
    assert_eq!(duty(&[cookie]).await, 403);
    assert_eq!(duty(&[cookie, ("x-session-proof", "0")]).await, 403);
    let proof = ("x-session-proof", proof.as_str());
    assert_eq!(duty(&[cookie, proof, ("origin", "https://elsewhere:1")]).await, 403);
    assert_eq!(duty(&[cookie, proof, ("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(duty(&[cookie, proof, ("origin", "http://bank:1")]).await, 200);
    assert_eq!(duty(&[("cookie", "__Host-rfid-session=0123"), proof]).await, 401);
}

#[tokio::test]
async fn a_session_that_was_stolen_ends_with_the_log_out() {
    let desk = Desk::new().await;
    desk.bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    let (cookie, proof) = desk.logged_in().await;
    let headers = [("cookie", cookie.as_str()), ("x-session-proof", proof.as_str())];
    assert_eq!(desk.send("GET", "/api/v1/session", &headers, Value::Null).await.status, 200);
    let gone = desk.send("DELETE", "/api/v1/session", &headers, Value::Null).await;
    assert_eq!(gone.status, 204);
    assert!(gone.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert!(gone.headers.contains_key("clear-site-data"));
    assert_eq!(desk.send("GET", "/api/v1/session", &headers, Value::Null).await.status, 401);
}

#[tokio::test]
async fn wrong_names_and_wrong_passwords_get_one_answer_and_not_too_many_of_it() {
    let desk = Desk::new().await;
    desk.bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    let attempt = async |number: &str| {
        let body = json!({ "staff_number": number, "password": "wrong" });
        let said = desk.send("POST", "/api/v1/session", &[], body).await;
        (said.status, said.body)
    };
    assert_eq!(attempt("LM1").await, attempt("nobody").await);
    let mut statuses = Vec::new();
    for number in 0..40 {
        statuses.push(attempt(&format!("N{number}")).await.0);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 28);
    assert_eq!(statuses.last(), Some(&429));
}

#[tokio::test]
async fn what_a_role_may_not_see_is_not_sent() {
    let desk = Desk::new().await;
    let (service, console) = (&desk.bank.service, rfid_service::service::Caller::console());
    desk.bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    let draft = json!({
        "customer_number": "6001", "name": "张小明", "id_number": "11010519491231002X", "vip_class": "gold",
        "branch": "a", "consent": "given", "employer": "西州电力", "usual_business": "理财", "notes": "常来",
    });
    let opened = service.open_customer(&console, serde_json::from_value(draft).unwrap()).await.unwrap();
    let (cookie, proof) = desk.logged_in().await;
    let headers = [("cookie", cookie.as_str()), ("x-session-proof", proof.as_str())];
    let shown = desk.send("GET", "/api/v1/customers/6001", &headers, Value::Null).await.body;
    assert_eq!((&shown["name"], &shown["masked"]), (&json!("张**"), &json!(true)));
    for hidden in ["小明", "西州电力", "理财", "常来", "19491231"] {
        assert!(!shown.to_string().contains(hidden), "{hidden}");
    }
    // Whoever stands in front of one is shown, but for the ID number.
    let check_in = json!({ "customer_number": "6001", "branch": "a" });
    let visit = desk.send("POST", "/api/v1/visits", &headers, check_in).await;
    assert_eq!(visit.status, 201, "{}", visit.body);
    let shown = desk.send("GET", "/api/v1/customers/6001", &headers, Value::Null).await.body;
    assert_eq!((&shown["name"], &shown["usual_business"]), (&json!("张小明"), &json!("理财")));
    assert!(!shown.to_string().contains("19491231"));
    // Nobody acts for somebody else.
    desk.bank.employ("LM2", "a", &[Role::LobbyManager]).await;
    let path = format!("/api/v1/visits/{}/greet", visit.body["id"].as_str().unwrap());
    let for_another = desk.send("POST", &path, &headers, json!({ "staff_number": "LM2" })).await;
    assert_eq!(for_another.status, 409);
    assert_eq!(desk.send("POST", &path, &headers, json!({})).await.status, 200);
    // Fields that are not the caller's to set are refused.
    let over = json!({ "customer_number": "6001", "branch": "a", "greeted_by": "LM2" });
    assert_eq!(desk.send("POST", "/api/v1/visits", &headers, over).await.status, 422);
    let told =
        serde_json::to_string(&desk.bank.told().await.iter().map(|told| &told.entry).collect::<Vec<_>>());
    for hidden in ["张", "西州", "理财", "19491231", "6001"] {
        assert!(!told.as_ref().unwrap().contains(hidden), "{hidden}");
    }
    let _ = opened;
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let desk = Desk::new().await;
    desk.bank.employ("LM1", "a", &[Role::LobbyManager]).await;
    let (cookie, proof) = desk.logged_in().await;
    let headers = [("cookie", cookie.as_str()), ("x-session-proof", proof.as_str())];
    let request = Request::get("/api/v1/arrivals").header("cookie", &cookie).body(HttpBody::empty()).unwrap();
    let mut stream = desk.router.clone().call(request).await.unwrap().into_body();
    tokio::time::pause();
    assert_eq!(desk.send("DELETE", "/api/v1/session", &headers, Value::Null).await.status, 204);
    let mut said = String::new();
    while let Some(Ok(frame)) = stream.frame().await {
        said.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
    }
    assert!(said.contains("event: ended"), "{said}");
}
