//! A bank whose screens are asked for as a browser asks.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use rfid_service::record::{ConsentDraft, CustomerDraft};
use rfid_service::rights::Role;
use rfid_service::service::Caller;
use rfid_service::service::bank::{Bank, PASSWORD};
use tower_service::Service as _;

use super::*;
use crate::clients::Clients;

pub(super) struct Hall {
    pub(super) bank: Bank,
    router: Router,
}

pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) html: String,
}

/// A browser in which somebody has logged in.
pub(super) struct Browser<'h> {
    pub(super) hall: &'h Hall,
    pub(super) cookie: String,
    pub(super) proof: String,
}

impl Hall {
    pub(super) async fn new() -> Self {
        Self::over(Bank::new().await)
    }

    /// The screens of this bank.
    pub(super) fn over(bank: Bank) -> Self {
        let clock = bank.clock.clone();
        let router = Api::new(bank.service.clone(), Clients::default(), [7; 32], clock).router();
        Self { bank, router }
    }

    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], form: &str) -> Seen {
        let mut headers = headers.to_vec();
        if method == "POST" {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        self.ask_with(method, path, &headers, form.as_bytes().to_vec()).await
    }

    /// The same with any body.
    pub(super) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Seen {
        let (parts, body) = self.answer(method, path, headers, body).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let html = String::from_utf8_lossy(&bytes).into_owned();
        Seen { status: parts.status.as_u16(), headers: parts.headers, html }
    }

    /// An answer that may go on for ever.
    pub(super) async fn answer(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> axum::response::Response {
        let mut request = Request::builder().method(method).uri(path).header("host", "bank:1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        self.router.clone().call(request).await.unwrap()
    }

    pub(super) async fn log_in(&self, number: &str) -> Browser<'_> {
        let password = PASSWORD.replace(' ', "+");
        let digits = self.bank.digits(number).await.unwrap_or_default();
        let form = format!("staff_number={number}&password={password}&digits={digits}");
        let seen = self.ask("POST", "/login", &[("origin", "http://bank:1")], &form).await;
        assert_eq!((seen.status, &seen.headers["location"]), (303, &"/".parse().unwrap()), "{}", seen.html);
        let cookie = seen.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let mut browser = Browser { hall: self, cookie, proof: String::new() };
        let home = browser.get("/").await;
        let page = match home.headers.get("location") {
            Some(place) => browser.get(place.to_str().unwrap()).await,
            None => home,
        };
        let proof = page.html.split("name=\"proof\" value=\"").nth(1).unwrap();
        browser.proof = proof.split('"').next().unwrap().to_owned();
        browser
    }

    /// Lets a customer in. Returns the id of the visit.
    pub(super) async fn arrive(
        &self,
        number: &str,
        name: &str,
        branch: &str,
        manager: Option<&str>,
    ) -> String {
        let draft = CustomerDraft {
            customer_number: number.into(),
            name: name.into(),
            id_number: Some("11010519491231002X".into()),
            employer: "西州电力".into(),
            vip_class: "gold".to_owned(),
            usual_business: "理财".into(),
            branch: branch.to_owned(),
            account_manager: manager.map(str::to_owned),
            notes: "不喝茶".into(),
            consent: ConsentDraft::Given,
        };
        let (service, console) = (&self.bank.service, Caller::console());
        service.open_customer(&console, draft).await.unwrap();
        let by = if branch == "a" { "LM1" } else { "LM2" };
        service.check_in(&console, number, branch, Some(by)).await.unwrap().record.id.to_string()
    }
}

impl Browser<'_> {
    pub(super) async fn get(&self, path: &str) -> Seen {
        self.hall.ask("GET", path, &[("cookie", &self.cookie)], "").await
    }

    pub(super) async fn part(&self, path: &str) -> Seen {
        self.hall.ask("GET", path, &[("cookie", &self.cookie), ("hx-request", "true")], "").await
    }

    pub(super) async fn send(&self, path: &str, form: &str) -> Seen {
        let form = format!("proof={}&{form}", self.proof);
        let headers = [("cookie", &*self.cookie), ("hx-request", "true"), ("origin", "http://bank:1")];
        self.hall.ask("POST", path, &headers, &form).await
    }
}

pub(super) async fn staffed() -> Hall {
    let hall = Hall::new().await;
    for (number, branch, role) in [
        ("LM1", "a", Role::LobbyManager),
        ("AM1", "a", Role::AccountManager),
        ("BS1", "a", Role::BranchSupervisor),
        ("IC1", "a", Role::IssuingClerk),
        ("LM2", "b", Role::LobbyManager),
        ("AM2", "b", Role::AccountManager),
        ("AU1", "a", Role::Auditor),
    ] {
        hall.bank.employ(number, branch, &[role]).await;
    }
    hall
}
