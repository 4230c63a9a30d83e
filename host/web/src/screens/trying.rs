//! A bank whose screens are asked for as a browser asks.

use std::sync::Arc;

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
use crate::installation::Installation;

pub(super) struct Hall {
    pub(super) bank: Bank,
    pub(super) router: Router,
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
        Self::over(Bank::new().await, Clients::default(), None)
    }

    /// The same over a bank, with tokens of these systems, in a host.
    pub(super) fn over(bank: Bank, clients: Clients, installation: Option<Arc<dyn Installation>>) -> Self {
        let api = Api::new(bank.service.clone(), clients, [7; 32], bank.clock.clone());
        let api = match installation {
            Some(installation) => api.with_installation(installation),
            None => api,
        };
        Self { bank, router: api.router() }
    }

    /// An answer that goes on.
    pub(super) async fn stream(&self, path: &str, cookie: &str) -> (u16, Body) {
        let request = Request::builder().uri(path).header("host", "bank:1").header("cookie", cookie);
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = self.router.clone().call(request).await.unwrap().into_parts();
        (parts.status.as_u16(), body)
    }

    /// The same bank whose host has these parts.
    pub(super) fn installed(
        self,
        installation: std::sync::Arc<dyn crate::installation::Installation>,
    ) -> Self {
        Self::over(self.bank, Clients::default(), Some(installation))
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

    /// The bytes of a file that everybody may ask for.
    pub(super) async fn bytes(&self, path: &str) -> Vec<u8> {
        let request = Request::builder().uri(path).header("host", "bank:1").body(Body::empty()).unwrap();
        let (parts, body) = self.router.clone().call(request).await.unwrap().into_parts();
        assert_eq!(parts.status.as_u16(), 200, "{path}");
        body.collect().await.unwrap().to_bytes().to_vec()
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
        self.arrive_as((number, name, "gold"), branch, manager).await
    }

    /// The same with a class.
    pub(super) async fn arrive_as(
        &self,
        (number, name, class): (&str, &str, &str),
        branch: &str,
        manager: Option<&str>,
    ) -> String {
        let draft = CustomerDraft {
            customer_number: number.into(),
            name: name.into(),
            id_number: Some("11010519491231002X".into()),
            employer: "西州电力".into(),
            vip_class: class.to_owned(),
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
        ("SA1", "a", Role::SystemAdministrator),
        ("SE1", "a", Role::SecurityAdministrator),
    ] {
        hall.bank.employ(number, branch, &[role]).await;
    }
    hall
}
