use axum::body::Body;
use axum::http::Request;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use rfid_core::SystemClock;
use rfid_service::randomness::SystemRandomness;
use rfid_service::recognition::RecognitionSettings;
use rfid_service::service::{BranchDraft, Caller, CardDraft, Grant, Scope};
use rfid_service::store::MemoryStore;
use serde_json::json;
use tower_service::Service as _;

use super::*;
use crate::clients::Client;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const BRANCH_TOKEN: &str = "b123456789abcdef0123456789abcdef";
const EMPTY_TOKEN: &str = "e123456789abcdef0123456789abcdef";

struct Desk {
    router: Router,
    service: Arc<Service>,
}

struct Said {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Desk {
    async fn new() -> Self {
        let clock = Arc::new(SystemClock::new());
        let (store, randomness) = (Arc::new(MemoryStore::new()), Arc::new(SystemRandomness));
        let service =
            Arc::new(Service::new(store, RecognitionSettings::default(), clock.clone(), randomness));
        let branch = |code: &str| BranchDraft { code: code.into(), name: code.to_owned(), position: None };
        service.take_branches(&Caller::console(), &[branch("a"), branch("b")]).await.unwrap();
        let mut clients = Clients::default();
        let client = |name: &str, grant| Client {
            name: name.to_owned(),
            grant,
            requests_per_minute: 10_000,
            expires: None,
        };
        clients.add(TOKEN, client("core", Grant::of_token(Scope::ALL, None)));
        clients.add(BRANCH_TOKEN, client("b", Grant::of_token(Scope::ALL, Some(["b".into()].into()))));
        clients.add(EMPTY_TOKEN, client("empty", Grant::of_token([], None)));
        let router = Api::new(Arc::clone(&service), clients, [7; 32], clock).router();
        // As the door has it.
        let router =
            router.layer(axum::extract::DefaultBodyLimit::max(rfid_door::door::Limits::default().body));
        Self { router, service }
    }

    async fn ask(&self, request: Request<Body>) -> Response {
        self.router.clone().call(request).await.unwrap()
    }

    async fn send(
        &self,
        token: &str,
        method: &str,
        path: &str,
        tag: Option<&str>,
        body: Option<Value>,
    ) -> Said {
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        if let Some(tag) = tag {
            request = request.header(if method == "GET" { "if-none-match" } else { "if-match" }, tag);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json; charset=utf-8");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let response = self.ask(request.body(body).unwrap()).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Said { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Binds a card by the console of the host. Returns its id.
    async fn bind(&self, number: &str, epc: &str) -> String {
        self.bind_both(number, epc, None).await
    }

    async fn bind_both(&self, number: &str, epc: &str, uid_hex: Option<String>) -> String {
        let customer = self.service.customer_of_number(&Caller::console(), number).await.unwrap();
        let draft = CardDraft {
            epc_hex: Some(epc.to_owned()),
            uid_hex,
            valid_from: "2026-01-01".parse().unwrap(),
            valid_until: "2028-01-01".parse().unwrap(),
            branches: None,
        };
        let bound = self.service.bind_card(&Caller::console(), customer.record.id, draft).await.unwrap();
        bound.record.id.to_string()
    }

    async fn get(&self, path: &str) -> Said {
        self.send(TOKEN, "GET", path, None, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Said {
        self.send(TOKEN, "POST", path, None, Some(body)).await
    }
}

fn customer(number: &str) -> Value {
    json!({
        "customer_number": number,
        "name": "张小明",
        "id_number": "11010519491231002X",
        "vip_class": "gold",
        "branch": "a",
        "consent": "given",
    })
}

#[tokio::test]
async fn a_day_at_a_branch_is_played_through_the_interface_alone() {
    let desk = Desk::new().await;
    let opened = desk.post("/api/v1/customers", customer("6001")).await;
    assert_eq!((opened.status, opened.headers["etag"].to_str().unwrap()), (201, "\"1\""));
    assert_eq!(opened.body["id_number_masked"], "1****************X");
    desk.bind("6001", "2D0000000000000000000001").await;
    let cards = desk.get("/api/v1/customers/6001/cards").await;
    assert_eq!((cards.status, &cards.body["items"][0]["epc_ends"]), (200, &json!("0001")));
    let staff = json!({ "staff_number": "S1", "name": "李静", "role": "lobby_manager", "branch": "a" });
    assert_eq!(desk.post("/api/v1/staff", staff).await.status, 201);
    let on_duty =
        desk.send(TOKEN, "PUT", "/api/v1/staff/S1/duty", None, Some(json!({ "on_duty": true }))).await;
    assert_eq!(on_duty.status, 200);
    let by = json!({ "staff_number": "S1" });
    let check_in = json!({ "customer_number": "6001", "branch": "a", "staff_number": "S1" });
    let visit = desk.post("/api/v1/visits", check_in).await;
    assert_eq!((visit.status, &visit.body["outcome"]), (201, &json!("recognised")));
    let path = format!("/api/v1/visits/{}", visit.body["id"].as_str().unwrap());
    assert_eq!(desk.post(&format!("{path}/greet"), by.clone()).await.status, 200);
    assert_eq!(desk.post(&format!("{path}/serve"), by).await.status, 200);
    assert_eq!(desk.post(&format!("{path}/business"), json!({ "business": ["存款"] })).await.status, 200);
    assert_eq!(
        desk.get("/api/v1/visits?branch=a&open=true").await.body["items"].as_array().unwrap().len(),
        1
    );
    assert_eq!(desk.send(TOKEN, "POST", &format!("{path}/depart"), None, None).await.status, 200);
    let left = desk.get(&path).await;
    assert_eq!(left.body["business"], json!(["存款"]));
    assert!(left.body["departed_at"].is_string() && left.body["greeted"]["staff_id"].is_string());
    assert_eq!(desk.get("/api/v1/visits?open=true").await.body["items"], json!([]));
}

#[tokio::test]
async fn a_change_is_made_on_a_version_and_a_known_record_is_not_sent_again() {
    let desk = Desk::new().await;
    desk.post("/api/v1/customers", customer("6001")).await;
    let path = "/api/v1/customers/6001";
    let mut changed = customer("6001");
    changed["vip_class"] = json!("platinum");
    let put = async |tag| desk.send(TOKEN, "PUT", path, tag, Some(changed.clone())).await;
    assert_eq!(put(None).await.status, 428);
    assert_eq!(put(Some("1")).await.status, 400);
    assert_eq!(put(Some("\"1\"")).await.status, 200);
    let late = put(Some("\"1\"")).await;
    assert_eq!((late.status, &late.body["version"]), (412, &json!(2)));
    let known = desk.send(TOKEN, "GET", path, Some("\"2\""), None).await;
    assert_eq!((known.status, known.body), (304, Value::Null));
    assert_eq!(desk.send(TOKEN, "GET", path, Some("\"1\""), None).await.status, 200);
}

#[tokio::test]
async fn an_id_number_is_searched_in_a_body_and_never_said_again() {
    let desk = Desk::new().await;
    desk.post("/api/v1/customers", customer("6001")).await;
    let search =
        async |number: &str| desk.post("/api/v1/customers/search", json!({ "id_number": number })).await;
    let found = search("11010519491231002X").await;
    assert_eq!(found.body["items"][0]["customer_number"], "6001");
    assert!(!found.body.to_string().contains("11010519491231002X"));
    assert_eq!(search("440524188001010014").await.body["items"], json!([]));
    let by_text = async |body: Value| desk.post("/api/v1/customers/search", body).await;
    assert_eq!(
        by_text(json!({ "text": "zhangxm", "limit": 1 })).await.body["items"][0]["customer_number"],
        "6001"
    );
    assert_eq!(by_text(json!({ "text": "zhangxm", "vip_class": "silver" })).await.body["items"], json!([]));
    for wrong in
        [json!({}), json!({ "text": "a", "id_number": "b" }), json!({ "text": "a", "cursor": "AAAA" })]
    {
        assert_eq!(by_text(wrong).await.status, 400);
    }
    let wrong = search("110105194912310021").await;
    assert_eq!((wrong.status, &wrong.body["errors"][0]["field"]), (422, &json!("id_number")));
    assert!(!wrong.body.to_string().contains("110105194912310021"));
}

#[tokio::test]
async fn visits_are_paged_by_a_cursor_that_is_of_this_list_alone() {
    let desk = Desk::new().await;
    let staff = json!({ "staff_number": "S1", "name": "李静", "role": "other", "branch": "a" });
    desk.post("/api/v1/staff", staff).await;
    for number in 0..7 {
        let mut customer = customer(&format!("60{number}"));
        customer.as_object_mut().unwrap().remove("id_number");
        desk.post("/api/v1/customers", customer).await;
        let check_in =
            json!({ "customer_number": format!("60{number}"), "branch": "a", "staff_number": "S1" });
        assert_eq!(desk.post("/api/v1/visits", check_in).await.status, 201);
    }
    let all = desk.get("/api/v1/visits").await.body["items"].as_array().unwrap().clone();
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = desk.get(&format!("/api/v1/visits?limit=3{cursor}")).await.body;
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((all.len(), &paged), (7, &all));
    for query in ["cursor=AAAA", "limit=0", "limit=201", "limit=x", "from=yesterday", "colour=red"] {
        assert_eq!(desk.get(&format!("/api/v1/visits?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn another_branchs_records_answer_as_those_that_are_not_there() {
    let desk = Desk::new().await;
    let opened = desk.post("/api/v1/customers", customer("6001")).await;
    let here = format!("/api/v1/cards/{}", desk.bind("6001", "2D01").await);
    let nowhere = format!("/api/v1/cards/{}", "f".repeat(32));
    for (here, nowhere) in [("/api/v1/customers/6001", "/api/v1/customers/6002"), (&here, &nowhere)] {
        let here = desk.send(BRANCH_TOKEN, "GET", here, None, None).await;
        let nowhere = desk.send(BRANCH_TOKEN, "GET", nowhere, None, None).await;
        assert_eq!((here.status, &here.body), (404, &nowhere.body));
    }
    let listed = format!("/api/v1/visits?customer_id={}", opened.body["id"].as_str().unwrap());
    assert_eq!(desk.send(BRANCH_TOKEN, "GET", &listed, None, None).await.body["items"], json!([]));
}

#[tokio::test]
async fn hostile_bodies_get_an_answer_that_says_why() {
    let desk = Desk::new().await;
    let raw = async |content_type: &str, body: Vec<u8>| {
        let request = Request::post("/api/v1/customers")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", content_type)
            .body(Body::from(body))
            .unwrap();
        desk.ask(request).await.status().as_u16()
    };
    assert_eq!(raw("application/json", "[".repeat(60_000).into_bytes()).await, 400);
    assert_eq!(raw("application/json", vec![b' '; 70_000]).await, 413);
    assert_eq!(raw("text/plain", customer("1").to_string().into_bytes()).await, 415);
    assert_eq!(raw("application/json", vec![0xff, 0xfe]).await, 400);
    let mut over = customer("6003");
    over["closed"] = json!(true);
    assert_eq!(
        desk.post("/api/v1/customers", over).await.status,
        422,
        "a field that is not the caller's to set"
    );
    for name in ["<b>x</b>", "Robert'); DROP TABLE", "\u{202e}txt", &"长".repeat(200)] {
        let mut customer = customer("6004");
        customer["name"] = json!(name);
        let opened = desk.post("/api/v1/customers", customer).await;
        assert!(opened.status == 201 || opened.status == 409, "{name}: {}", opened.body);
    }
}

#[tokio::test]
async fn a_stream_tells_who_is_here_and_then_what_happens() {
    let desk = Desk::new().await;
    desk.post("/api/v1/customers", customer("6001")).await;
    let staff = json!({ "staff_number": "S1", "name": "李静", "role": "other", "branch": "a" });
    desk.post("/api/v1/staff", staff).await;
    let check_in = json!({ "customer_number": "6001", "branch": "a", "staff_number": "S1" });
    let visit = desk.post("/api/v1/visits", check_in).await;
    let open = async |token: &str| {
        let request = Request::get("/api/v1/arrivals").header("authorization", format!("Bearer {token}"));
        desk.ask(request.body(Body::empty()).unwrap()).await.into_body()
    };
    let (mut all, mut other) = (open(TOKEN).await, open(BRANCH_TOKEN).await);
    let frame = async |body: &mut Body| {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    };
    let first = frame(&mut all).await.unwrap();
    assert!(first.starts_with("event: visit\ndata: {") && first.contains("\"version\":1"), "{first}");
    let path = format!("/api/v1/visits/{}/greet", visit.body["id"].as_str().unwrap());
    desk.post(&path, json!({ "staff_number": "S1" })).await;
    assert!(frame(&mut all).await.unwrap().contains("\"version\":2"));
    // Everything was told to one of them by now, and nothing of it to the other.
    assert!(frame(&mut other).now_or_never().is_none(), "another branch's visits are not told");
}

#[test]
fn the_document_has_every_route_and_every_reference_leads_somewhere() {
    let document = Api::openapi();
    let routes = Api::routes();
    let ids: std::collections::BTreeSet<&str> = routes.iter().map(|route| route.id).collect();
    assert_eq!(ids.len(), routes.len());
    for route in &routes {
        assert_eq!(document["paths"][route.path][route.method]["operationId"], route.id);
    }
    fn look(value: &Value, document: &Value) {
        match value {
            Value::Object(table) => {
                if let Some(Value::String(reference)) = table.get("$ref") {
                    assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
                }
                table.values().for_each(|value| look(value, document));
            }
            Value::Array(items) => items.iter().for_each(|value| look(value, document)),
            _ => {}
        }
    }
    look(&document, &document);
}

/// The status, the headers and the bytes of an answer about a photo.
async fn photo(
    desk: &Desk,
    method: &str,
    query: &str,
    tag: &str,
    body: Vec<u8>,
) -> (u16, HeaderMap, Vec<u8>) {
    let name = if method == "GET" { "if-none-match" } else { "if-match" };
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/customers/6001/photo{query}"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "image/png")
        .header(name, tag)
        .body(Body::from(body))
        .unwrap();
    let (parts, body) = desk.ask(request).await.into_parts();
    (parts.status.as_u16(), parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

/// 64 by 64 pixels in grey, with a text that no answer may have.
pub(super) fn picture() -> Vec<u8> {
    use image::ImageEncoder;
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.write_image(&[7; 64 * 64], 64, 64, image::ExtendedColorType::L8).unwrap();
    bytes.extend(b"CANARY behind the picture");
    bytes
}

#[tokio::test]
async fn a_photo_is_taken_shown_in_two_sizes_and_taken_away() {
    let desk = Desk::new().await;
    desk.post("/api/v1/customers", customer("6001")).await;
    assert_eq!(photo(&desk, "GET", "", "", Vec::new()).await.0, 404);
    assert_eq!(photo(&desk, "PUT", "", "\"9\"", picture()).await.0, 412);
    let (status, headers, body) = photo(&desk, "PUT", "", "\"1\"", picture()).await;
    assert_eq!(
        (status, headers["etag"].to_str().unwrap()),
        (200, "\"2\""),
        "{}",
        String::from_utf8_lossy(&body)
    );
    for query in ["", "?size=small"] {
        let (status, headers, body) = photo(&desk, "GET", query, "", Vec::new()).await;
        assert_eq!(
            (status, &headers["content-type"], &headers["cache-control"]),
            (200, &"image/jpeg".parse().unwrap(), &"no-store".parse().unwrap())
        );
        assert!(body.starts_with(b"\xff\xd8") && !body.windows(6).any(|part| part == b"CANARY"));
        let tag = headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(photo(&desk, "GET", query, &tag, Vec::new()).await.0, 304);
    }
    assert_eq!(photo(&desk, "GET", "?size=huge", "", Vec::new()).await.0, 400);
    let elsewhere = desk.send(BRANCH_TOKEN, "GET", "/api/v1/customers/6001/photo", None, None).await;
    assert_eq!((elsewhere.status, elsewhere.body), (404, desk.get("/api/v1/customers/9/photo").await.body));
    assert_eq!(photo(&desk, "DELETE", "", "\"2\"", Vec::new()).await.0, 200);
    assert_eq!(photo(&desk, "GET", "", "", Vec::new()).await.0, 404);
}

#[tokio::test]
async fn what_is_no_picture_is_refused_in_words() {
    let desk = Desk::new().await;
    desk.post("/api/v1/customers", customer("6001")).await;
    let (status, _, body) = photo(&desk, "PUT", "", "\"1\"", b"<svg onload=alert(1)>".to_vec()).await;
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("photo")));
    let (status, ..) = photo(&desk, "PUT", "", "\"1\"", vec![0; 5 * 1024 * 1024 + 1]).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn cards_are_found_by_what_they_bear_and_by_their_state() {
    let desk = Desk::new().await;
    desk.post("/api/v1/customers", customer("6001")).await;
    let mut cards: Vec<String> = Vec::new();
    for number in 1..=3 {
        let uid = Some(format!("04A2B3C{number}"));
        cards.push(desk.bind_both("6001", &format!("2D{number:022X}"), uid).await);
    }
    let lost = format!("/api/v1/cards/{}/state", cards[1]);
    assert_eq!(
        desk.send(TOKEN, "PUT", &lost, Some("\"1\""), Some(json!({ "state": "lost" }))).await.status,
        200
    );
    let search = async |token: &str, body: Value| {
        let found = desk.send(token, "POST", "/api/v1/cards/search", None, Some(body)).await;
        assert_eq!(found.status, 200, "{}", found.body);
        let ids = found.body["items"].as_array().unwrap().iter();
        (
            ids.map(|card| card["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
            found.body["next_cursor"].clone(),
        )
    };
    assert_eq!(search(TOKEN, json!({ "uid_hex": "04A2B3C3" })).await.0, [cards[2].as_str()]);
    assert_eq!(search(TOKEN, json!({ "epc_hex": "2D0000000000000000000009" })).await.0, [""; 0]);
    assert_eq!(search(TOKEN, json!({ "state": "lost" })).await.0, [cards[1].as_str()]);
    let (first, next) = search(TOKEN, json!({ "state": "active", "limit": 1 })).await;
    let (second, _) = search(TOKEN, json!({ "state": "active", "limit": 5, "cursor": next })).await;
    let mut active = [first, second].concat();
    // Those that were made in the same millisecond come in any order.
    active.sort_by_key(|id| cards.iter().position(|card| card == id));
    assert_eq!(active, [cards[0].as_str(), cards[2].as_str()]);
    // Those of another branch are not there.
    for body in [json!({ "state": "active" }), json!({ "uid_hex": "04A2B3C3" })] {
        assert_eq!(search(BRANCH_TOKEN, body).await.0, [""; 0]);
    }
    for wrong in [json!({}), json!({ "state": "lost", "uid_hex": "04A2B3C3" }), json!({ "uid_hex": "zz" })] {
        assert_eq!(desk.post("/api/v1/cards/search", wrong).await.status, 400);
    }
}
