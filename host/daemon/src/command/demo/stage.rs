//! A page on which somebody lets customers walk in, wander, lay their cards on the desk, leave, or the line be cut:
//! what the emulated readers hear. It listens on this machine alone, beside the host, and is no part of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::extract::{Json, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, serve};
use rfid_core::{Clock, SystemClock, TagId};
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};
use rfid_driver_mifare::pn532::emulator as pad;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use rfid_service::record::{Card, CardState, Customer, Key, Kind};
use rfid_service::store::Stored;

use super::people::Person;
use super::{CARDS, CUSTOMERS};
use crate::service_slot::ServiceSlot;

const DOOR: &str = include_str!("door.toml");
const DESK: &str = include_str!("desk.toml");
const PAGE: &str = include_str!("stage.html");
const SCRIPT: &str = include_str!("stage.js");

/// Where a customer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Outside,
    Door,
    Hall,
    /// To and fro between both antennas.
    Wanders,
    /// At the desk, the card on the pad; the antenna of the hall hears it as well.
    Desk,
    /// At the door of the other branch.
    Elsewhere,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Door => "door",
            Self::Hall => "hall",
            Self::Wanders => "wanders",
            Self::Desk => "desk",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// Where a blank card is, at the desk where cards are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Spot {
    Away,
    /// On the pad, and not before the antenna.
    Pad,
    /// Where it belongs: on the pad and before the antenna.
    Desk,
    /// The same, and it is torn away when it is written.
    Torn,
    /// Two cards at once.
    Two,
    /// Where it belongs, on a pad that takes its time: long enough to pull its cable while the chip is written.
    Slow,
    /// Where it belongs, on a pad that says nothing.
    Mute,
}

impl Spot {
    const fn name(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Pad => "pad",
            Self::Desk => "desk",
            Self::Torn => "torn",
            Self::Two => "two",
            Self::Slow => "slow",
            Self::Mute => "mute",
        }
    }
}

/// A customer with a card.
struct Walker {
    number: String,
    name: String,
    class: String,
    epc: String,
    uid: String,
    place: Place,
}

/// What is played.
struct Play {
    walkers: Vec<Walker>,
    /// Whether the minute of the script plays, and not what is asked for on the page.
    is_script: bool,
    /// The reader at the door, unless its line is cut.
    door: Option<Emulator>,
    desk: pad::Emulator,
    /// The reader at the door of the other branch.
    elsewhere: Emulator,
    /// Where cards are encoded: the reader of the antenna, unless its line is cut, and the pad.
    bench: Option<Emulator>,
    bench_pad: pad::Emulator,
    /// Whether the cable of that pad is plugged in.
    has_bench_pad: bool,
    /// The number of the blank card that is taken, and where it is.
    blank: u8,
    spot: Spot,
}

/// The emulated readers, and who stands before them.
pub(super) struct Stage {
    play: Arc<Mutex<Play>>,
    door: SocketAddr,
    elsewhere: SocketAddr,
    bench: SocketAddr,
    page: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Stage {
    /// Readers that hear what the script says, or nobody.
    pub(super) async fn build(desk: &Path, bench_pad: &Path, is_script: bool) -> anyhow::Result<Self> {
        let (at_door, at_desk) = if is_script {
            (Scenario::from_toml(DOOR)?, pad::Scenario::from_toml(DESK)?)
        } else {
            Default::default()
        };
        let door = Emulator::bind((Ipv4Addr::LOCALHOST, 0), Profile::M4, at_door)
            .await
            .context("the emulated reader cannot listen")?;
        let elsewhere = Emulator::bind((Ipv4Addr::LOCALHOST, 0), Profile::M4, Scenario::default())
            .await
            .context("the emulated reader of the other branch cannot listen")?;
        let desk = pad::Emulator::start(desk, at_desk).await.context("the emulated pad cannot be made")?;
        let bench = Emulator::bind((Ipv4Addr::LOCALHOST, 0), Profile::M4, Scenario::default())
            .await
            .context("the emulated reader of the desk cannot listen")?;
        let bench_pad = pad::Emulator::start(bench_pad, pad::Scenario::default())
            .await
            .context("the emulated pad of the desk cannot be made")?;
        let [address, other, bench_address] = [door.local_addr(), elsewhere.local_addr(), bench.local_addr()];
        let play = Play {
            walkers: walkers(),
            is_script,
            door: Some(door),
            desk,
            elsewhere,
            bench: Some(bench),
            bench_pad,
            has_bench_pad: true,
            blank: 1,
            spot: Spot::Away,
        };
        let play = Arc::new(Mutex::new(play));
        let page = std::sync::Mutex::default();
        Ok(Self { play, door: address, elsewhere: other, bench: bench_address, page })
    }

    /// Where the reader at the door listens.
    pub(super) fn door(&self) -> SocketAddr {
        self.door
    }

    /// Where the reader of the other branch listens.
    pub(super) fn elsewhere(&self) -> SocketAddr {
        self.elsewhere
    }

    /// Where the reader listens before whose antenna cards are encoded.
    pub(super) fn bench(&self) -> SocketAddr {
        self.bench
    }

    /// Opens the page. Returns where.
    pub(super) async fn open(
        &self,
        screens: SocketAddr,
        people: Vec<Person>,
        password: &str,
        service: ServiceSlot,
    ) -> anyhow::Result<SocketAddr> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shown = Shown {
            play: Arc::clone(&self.play),
            door: self.door,
            bench: self.bench,
            screens,
            people: people.into(),
            password: password.into(),
            service,
        };
        let router = Router::new()
            .route("/", get(|| async { Html(PAGE) }))
            .route("/stage.js", get(|| async { ([(header::CONTENT_TYPE, "text/javascript")], SCRIPT) }))
            .route("/state", get(state))
            // A page of elsewhere cannot send JSON here without being allowed to, which nobody is.
            .route("/move", post(walk))
            .route("/blank", post(blank))
            .route("/line", post(line))
            .route("/script", post(script))
            .with_state(shown);
        let task = tokio::spawn(async move {
            if let Err(error) = serve(listener, router).await {
                tracing::warn!(%error, "the stage of the demo is gone");
            }
        });
        *self.page.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(task);
        Ok(address)
    }

    /// Ends it all.
    pub(super) async fn strike(self) {
        let page = self.page.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(page) = page {
            page.abort();
            // Ended by that.
            let _ = page.await;
        }
        if let Ok(play) = Arc::try_unwrap(self.play) {
            let Play { door, desk, elsewhere, bench, bench_pad, .. } = play.into_inner();
            elsewhere.shutdown().await;
            for reader in [door, bench].into_iter().flatten() {
                reader.shutdown().await;
            }
            desk.shutdown().await;
            bench_pad.shutdown().await;
        }
    }
}

/// What the page stands on.
#[derive(Clone)]
struct Shown {
    play: Arc<Mutex<Play>>,
    door: SocketAddr,
    bench: SocketAddr,
    screens: SocketAddr,
    people: Arc<[Person]>,
    password: Arc<str>,
    service: ServiceSlot,
}

#[derive(Deserialize)]
struct Move {
    number: String,
    place: Place,
}

#[derive(Deserialize)]
struct Blank {
    spot: Spot,
    /// Whether it is another card than the one before.
    #[serde(default)]
    another: bool,
}

#[derive(Deserialize)]
struct Line {
    up: bool,
    #[serde(default)]
    of: LineOf,
}

/// A reader whose line can be cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LineOf {
    #[default]
    Door,
    /// The one before whose antenna cards are encoded.
    Bench,
    /// The pad on which they lie meanwhile: its serial port is gone from the machine.
    Pad,
}

#[derive(Deserialize)]
struct Nothing {}

async fn state(State(shown): State<Shown>) -> Json<Value> {
    let now = SystemClock::new().now().utc;
    let mut play = shown.play.lock().await;
    play.take_in(&issued(&shown.service).await);
    let customers: Vec<Value> = play
        .walkers
        .iter()
        .map(|walker| {
            let Walker { number, name, class, place, .. } = walker;
            json!({ "number": number, "name": name, "class": class, "place": place.name() })
        })
        .collect();
    let people: Vec<Value> = shown
        .people
        .iter()
        .map(|person| {
            let Person { number, name, role, .. } = person;
            json!({ "number": number, "name": name, "role": role.name(), "code": person.code(now) })
        })
        .collect();
    Json(json!({
        "screens": format!("http://{}/", shown.screens),
        "password": &*shown.password,
        "is_script": play.is_script,
        "line": play.door.is_some(),
        "bench_line": play.bench.is_some(),
        "pad_line": play.has_bench_pad,
        "blank": { "number": play.blank, "spot": play.spot.name() },
        "customers": customers,
        "people": people,
    }))
}

async fn walk(State(shown): State<Shown>, Json(Move { number, place }): Json<Move>) -> Response {
    let mut play = shown.play.lock().await;
    play.take_in(&issued(&shown.service).await);
    let Some(walker) = play.walkers.iter_mut().find(|walker| walker.number == number) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    walker.place = place;
    play.is_script = false;
    answer(play.set())
}

async fn blank(State(shown): State<Shown>, Json(Blank { spot, another }): Json<Blank>) -> Response {
    let issued = issued(&shown.service).await;
    let mut play = shown.play.lock().await;
    play.blank = play.blank.wrapping_add(u8::from(another)).max(1);
    play.spot = spot;
    answer(play.lay(&issued))
}

/// Cards that were made here, and whose they are: what was written on a card is on it wherever it goes.
async fn issued(service: &ServiceSlot) -> Vec<(Card, Customer)> {
    let Some(service) = service.get() else { return Vec::new() };
    let mut found = Vec::new();
    let mut after: Option<Key> = None;
    // As much as somebody makes in a demo.
    while let Ok(page) = service.store().scan(Kind::Card, after.as_ref(), 256).await {
        let Some(last) = page.last() else { break };
        after = Some(last.record.key());
        for card in page.into_iter().filter_map(Stored::typed::<Card>).map(|card| card.record) {
            let is_made = matches!(card.state, CardState::Issued | CardState::Active | CardState::Lost);
            let key = Key::Customer(card.customer);
            let owner = service.store().get(&[key]).await.ok().and_then(|mut found| found.pop().flatten());
            if let (true, Some(owner)) = (is_made, owner.and_then(Stored::typed::<Customer>)) {
                found.push((card, owner.record));
            }
        }
    }
    found
}

async fn line(State(shown): State<Shown>, Json(Line { up, of }): Json<Line>) -> Response {
    let issued = issued(&shown.service).await;
    let mut play = shown.play.lock().await;
    let (reader, address) = match of {
        LineOf::Door => (&mut play.door, shown.door),
        LineOf::Bench => (&mut play.bench, shown.bench),
        LineOf::Pad => {
            match up {
                true => play.bench_pad.plug_in().await,
                false => play.bench_pad.pull().await,
            }
            play.has_bench_pad = up;
            return answer(Ok(()));
        }
    };
    if !up && let Some(reader) = reader.take() {
        reader.shutdown().await;
    }
    if up && reader.is_none() {
        match Emulator::bind(address, Profile::M4, Scenario::default()).await {
            Ok(again) => *reader = Some(again),
            Err(error) => return answer(Err(error.into())),
        }
    }
    answer(play.set().and_then(|()| play.lay(&issued)))
}

async fn script(State(shown): State<Shown>, Json(Nothing {}): Json<Nothing>) -> Response {
    let mut play = shown.play.lock().await;
    play.is_script = true;
    play.walkers.iter_mut().for_each(|walker| walker.place = Place::Outside);
    answer(play.set())
}

fn answer(done: anyhow::Result<()>) -> Response {
    match done {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}

impl Play {
    /// Lets the readers hear what is played.
    fn set(&self) -> anyhow::Result<()> {
        let (door, desk, elsewhere) = if self.is_script {
            (Scenario::from_toml(DOOR)?, pad::Scenario::from_toml(DESK)?, Scenario::default())
        } else {
            let Heard { door, desk, elsewhere } = heard(&self.walkers);
            let [door, elsewhere] = [door, elsewhere].map(|text| Scenario::from_toml(&text));
            (door?, pad::Scenario::from_toml(&desk)?, elsewhere?)
        };
        self.elsewhere.set_scenario(elsewhere);
        if let Some(reader) = &self.door {
            reader.set_scenario(door);
        }
        self.desk.set_scenario(desk);
        Ok(())
    }

    /// Customers who have been given a card since.
    fn take_in(&mut self, issued: &[(Card, Customer)]) {
        for (card, customer) in issued {
            let (Some(epc), Some(uid)) = (card.epc, card.uid) else { continue };
            let (epc, uid, number) = (epc.hex(), uid.hex(), customer.number.to_string());
            match self.walkers.iter_mut().find(|walker| walker.number == number) {
                // A new card is carried in the place of the old one.
                Some(walker) if card.state == CardState::Active => (walker.epc, walker.uid) = (epc, uid),
                Some(_) => {}
                None if card.state == CardState::Active => self.walkers.push(Walker {
                    number,
                    name: customer.name.reveal().clone(),
                    class: customer.vip_class.to_string(),
                    epc,
                    uid,
                    place: Place::Outside,
                }),
                None => {}
            }
        }
    }

    /// Lays the blank card where it is.
    fn lay(&self, issued: &[(Card, Customer)]) -> anyhow::Result<()> {
        let (uhf, pad) = blank_on_desk(self.blank, self.spot, issued);
        if let Some(reader) = &self.bench {
            reader.set_scenario(Scenario::from_toml(&uhf)?);
        }
        self.bench_pad.set_scenario(pad::Scenario::from_toml(&pad)?);
        Ok(())
    }
}

/// What the readers hear, as scenarios.
struct Heard {
    door: String,
    desk: String,
    elsewhere: String,
}

/// Scenarios of the readers and of the pad, for customers who are where they are.
fn heard(walkers: &[Walker]) -> Heard {
    const ROUND: &str = "[scenario]\nrepeat = \"6s\"\n";
    let (mut door, mut elsewhere) = (ROUND.to_owned(), ROUND.to_owned());
    let mut desk = String::new();
    for Walker { epc, uid, place, .. } in walkers {
        let mut tag = |antenna: u16, when: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(door, "[[tag]]\nepc = \"{epc}\"\nantenna = {antenna}\n{when}");
        };
        match place {
            Place::Outside => {}
            Place::Door => tag(1, ""),
            Place::Hall => tag(2, ""),
            Place::Wanders => {
                tag(1, "for = \"3s\"");
                tag(2, "at = \"3s\"\nfor = \"3s\"");
            }
            Place::Desk => {
                tag(2, "");
                let _ = writeln!(desk, "[[card]]\nuid = \"{uid}\"");
            }
            Place::Elsewhere => {
                let _ = writeln!(elsewhere, "[[tag]]\nepc = \"{epc}\"\nantenna = 1\n");
            }
        }
    }
    Heard { door, desk, elsewhere }
}

/// Scenarios of the reader and of the pad of the desk, with a blank card on it.
fn blank_on_desk(number: u8, spot: Spot, issued: &[(Card, Customer)]) -> (String, String) {
    let (mut uhf, mut pad) = (String::new(), String::new());
    let mut lay = |number: u8, on_pad: &str, is_before_antenna: bool| {
        let uid = format!("04B10C{number:02X}");
        let bears = |card: &Card| card.uid.map(|uid: TagId| uid.hex()).as_deref() == Some(uid.as_str());
        let written = issued.iter().find(|(card, _)| bears(card)).and_then(|(card, _)| card.epc);
        let epc = written.map_or_else(|| format!("E280117000000211B10C00{number:02X}"), |epc| epc.hex());
        // Writing to a string does not fail.
        let _ = writeln!(pad, "[[card]]\nuid = \"{uid}\"\n{on_pad}");
        if is_before_antenna {
            let _ = writeln!(uhf, "[[tag]]\nepc = \"{epc}\"\nantenna = 1");
        }
    };
    match spot {
        Spot::Away => {}
        Spot::Pad => lay(number, "", false),
        Spot::Desk | Spot::Slow | Spot::Mute => lay(number, "", true),
        Spot::Torn => lay(number, "torn_write = { after = 0, bytes = 7 }", true),
        Spot::Two => {
            lay(number, "", true);
            lay(number.wrapping_add(1), "", true);
        }
    }
    pad.push_str(match spot {
        Spot::Slow => "[faults]\nanswer_delay = \"100ms\"\n",
        Spot::Mute => "[faults]\nmute = true\n",
        Spot::Away | Spot::Pad | Spot::Desk | Spot::Torn | Spot::Two => "",
    });
    (uhf, pad)
}

/// The customers of the demo and their cards.
fn walkers() -> Vec<Walker> {
    let rows = |text: &'static str| text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let cards: BTreeMap<&str, (&str, &str)> =
        rows(CARDS).filter_map(|row| Some((*row.first()?, (*row.get(1)?, *row.get(2)?)))).collect();
    let walker = |row: Vec<&'static str>| {
        let number = *row.first()?;
        let (epc, uid) = *cards.get(number)?;
        let (name, class) = ((*row.get(1)?).to_owned(), (*row.get(4)?).to_owned());
        let (number, epc, uid) = (number.to_owned(), epc.to_owned(), uid.to_owned());
        Some(Walker { number, name, class, epc, uid, place: Place::Outside })
    };
    rows(CUSTOMERS).filter_map(walker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_customers_are_the_readers_can_play_it() {
        for place in [Place::Outside, Place::Door, Place::Hall, Place::Wanders, Place::Desk, Place::Elsewhere]
        {
            let mut walkers = walkers();
            assert_eq!(walkers.len(), 13);
            walkers.iter_mut().for_each(|walker| walker.place = place);
            let Heard { door, desk, elsewhere } = heard(&walkers);
            assert!(Scenario::from_toml(&door).is_ok(), "{door}");
            assert!(Scenario::from_toml(&elsewhere).is_ok(), "{elsewhere}");
            assert!(pad::Scenario::from_toml(&desk).is_ok(), "{desk}");
        }
        for spot in [Spot::Away, Spot::Pad, Spot::Desk, Spot::Torn, Spot::Two, Spot::Slow, Spot::Mute] {
            let (uhf, pad) = blank_on_desk(7, spot, &[]);
            assert!(Scenario::from_toml(&uhf).is_ok(), "{uhf}");
            assert!(pad::Scenario::from_toml(&pad).is_ok(), "{pad}");
        }
    }
}
