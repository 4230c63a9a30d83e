//! All branches at a glance, and one of them.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use rfid_core::Name;
use rfid_service::rights::Action;
use rfid_service::service::{Fault, VisitFilter};
use serde::Deserialize;

use super::live::{BranchNow, ReaderNow, Trouble, branches_now, digest};
use super::{Area, areas, may_enter};
use crate::api::Api;
use crate::percent::encoded;
use crate::screens::guests::{GuestView, Showing};
use crate::screens::text::Text;
use crate::screens::viewer::{Frame, Refusal, Viewer, shown};

/// Names that a tile says of those who are on duty; the others are counted.
const NAMED: usize = 3;
/// Visits that the page of a branch shows.
const MOST: usize = 100;

/// Which branches are shown, and in which order.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// `trouble` (first), `inside` or `name`.
    sort: String,
    /// `trouble`: only where something is wrong.
    only: String,
    /// What the name or code of a branch has in it.
    find: String,
    /// One branch alone.
    branch: String,
    /// Some branches, with commas: only they are sent.
    branches: String,
    /// Whether it hangs on a wall.
    wall: String,
    /// What the page shows, as the stream is told.
    pub(super) seen: Option<u64>,
}

impl Asked {
    /// The branches that are shown, in their order.
    pub(super) fn arranged(&self, mut all: Vec<BranchNow>) -> Vec<BranchNow> {
        let find = self.find.trim().to_lowercase();
        all.retain(|BranchNow { standing, trouble, .. }| {
            let is_found = standing.name.to_lowercase().contains(&find)
                || standing.code.as_str().to_lowercase().contains(&find);
            is_found
                && (self.branch.is_empty() || standing.code.as_str() == self.branch)
                && (self.only != "trouble" || *trouble > Trouble::None)
        });
        match self.sort.as_str() {
            "name" => all.sort_by(|one, other| one.standing.name.cmp(&other.standing.name)),
            "inside" => all.sort_by_key(|one| std::cmp::Reverse(one.standing.inside())),
            // Those in which nothing is wrong stay where they are, however many come and go.
            _ => all.sort_by_key(|one| std::cmp::Reverse(one.trouble)),
        }
        all
    }

    /// The same as the query of an address.
    fn query(&self) -> String {
        let pairs =
            [("sort", &self.sort), ("only", &self.only), ("find", &self.find), ("branch", &self.branch)];
        let said = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        said.map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
    }
}

/// A branch as a tile shows it.
struct Tile {
    code: String,
    path: String,
    name: String,
    trouble: &'static str,
    /// What is wrong, in words, with the kind of it.
    troubles: Vec<(&'static str, String)>,
    inside: u64,
    classes: Vec<(String, u64)>,
    waiting: u64,
    greeted: u64,
    served: u64,
    refused: u64,
    unknown: u64,
    on_duty: String,
    readers_well: usize,
    readers: usize,
    antennas_well: usize,
    antennas: usize,
}

impl Tile {
    fn of(now: &BranchNow, text: &Text) -> Self {
        let BranchNow { standing, readers, trouble } = now;
        let mut troubles = Vec::new();
        if standing.alarms > 0 {
            troubles.push(("alarm", text.with("trouble-alarms", "n", standing.alarms)));
        }
        let bad: Vec<&ReaderNow> = readers.iter().filter(|reader| !reader.is_well).collect();
        if !bad.is_empty() {
            troubles.push(("readers", text.with("trouble-readers", "n", bad.len())));
        }
        if standing.waiting > 0 && standing.on_duty.is_empty() {
            troubles.push(("waiting", text.say("trouble-nobody")));
        } else if *trouble == Trouble::Waiting {
            troubles.push(("waiting", text.say("trouble-waits")));
        }
        let more = standing.on_duty.len().saturating_sub(NAMED);
        let mut on_duty = standing.on_duty.iter().take(NAMED).cloned().collect::<Vec<_>>().join("、");
        if more > 0 {
            on_duty.push_str(&text.with("on-duty-more", "n", more));
        }
        let antennas = readers.iter().flat_map(|reader| &reader.antennas);
        Self {
            code: standing.code.to_string(),
            path: encoded(&standing.code),
            name: standing.name.clone(),
            trouble: trouble.name(),
            troubles,
            inside: standing.inside(),
            classes: standing
                .inside
                .iter()
                .map(|(class, count)| (text.known("class", class), *count))
                .collect(),
            waiting: standing.waiting,
            greeted: standing.greeted,
            served: standing.served,
            refused: standing.refused,
            unknown: standing.unknown,
            on_duty,
            readers_well: readers.len() - bad.len(),
            readers: readers.len(),
            antennas_well: antennas.clone().filter(|(_, _, is_listening)| *is_listening).count(),
            antennas: antennas.count(),
        }
    }
}

/// All branches together.
#[derive(Default)]
struct Sum {
    branches: usize,
    in_trouble: usize,
    inside: u64,
    waiting: u64,
    refused: u64,
    unknown: u64,
    alarms: u64,
    readers_well: usize,
    readers: usize,
}

impl Sum {
    fn of(all: &[BranchNow]) -> Self {
        let mut sum = Self::default();
        for BranchNow { standing, readers, trouble } in all {
            sum.branches += 1;
            sum.in_trouble += usize::from(*trouble > Trouble::None);
            sum.inside += standing.inside();
            sum.waiting += standing.waiting;
            sum.refused += standing.refused;
            sum.unknown += standing.unknown;
            sum.alarms += standing.alarms;
            sum.readers += readers.len();
            sum.readers_well += readers.iter().filter(|reader| reader.is_well).count();
        }
        sum
    }
}

#[derive(Template)]
#[template(path = "centre/overview.html")]
struct OverviewPage {
    text: Text,
    frame: Frame,
    areas: Vec<Area>,
    asked: Asked,
    query: String,
    digest: u64,
    sum: Sum,
    tiles: Vec<Tile>,
    is_wall: bool,
    is_swap: bool,
}

/// All tiles, and what they come to.
#[derive(Template)]
#[template(path = "centre/tiles.html")]
struct TilesPart {
    text: Text,
    sum: Sum,
    tiles: Vec<Tile>,
    is_swap: bool,
}

/// Some tiles, each to be put in its place.
#[derive(Template)]
#[template(path = "centre/changed.html")]
struct ChangedPart {
    text: Text,
    sum: Sum,
    tiles: Vec<Tile>,
    is_swap: bool,
}

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let page = async {
        let all = branches_now(&api, &viewer).await?;
        let sum = Sum::of(&all);
        let arranged = asked.arranged(all);
        api.service().looks_at_standing(viewer.caller(), arranged.len()).await?;
        Ok(OverviewPage {
            frame: Frame::of(&api, &viewer, "centre").await?,
            areas: areas(&viewer, "overview"),
            query: asked.query(),
            digest: digest(&arranged),
            sum,
            tiles: arranged.iter().map(|now| Tile::of(now, &viewer.text)).collect(),
            is_wall: asked.wall == "yes",
            is_swap: false,
            asked,
            text: viewer.text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

/// The tiles of now: all of them, or those that changed.
pub(super) async fn tiles(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let all = branches_now(&api, &viewer).await.map_err(|fault| viewer.refusal(fault))?;
    let sum = Sum::of(&all);
    let mut arranged = asked.arranged(all);
    let text = viewer.text.clone();
    if asked.branches.is_empty() {
        let tiles = arranged.iter().map(|now| Tile::of(now, &text)).collect();
        return Ok(shown(&TilesPart { text, sum, tiles, is_swap: false }));
    }
    let wanted: Vec<&str> = asked.branches.split(',').collect();
    arranged.retain(|now| wanted.contains(&now.standing.code.as_str()));
    let tiles = arranged.iter().map(|now| Tile::of(now, &text)).collect();
    Ok(shown(&ChangedPart { text, sum, tiles, is_swap: true }))
}

/// A reader as the page of a branch shows it.
struct ReaderView {
    name: String,
    driver: String,
    state_said: String,
    detail: String,
    since: String,
    is_well: bool,
    antennas: Vec<(String, String, bool)>,
}

/// Who is in a branch, for those who may know.
struct Present {
    guests: Vec<GuestView>,
    is_cut: bool,
}

#[derive(Template)]
#[template(path = "centre/branch.html")]
struct BranchPage {
    text: Text,
    frame: Frame,
    areas: Vec<Area>,
    query: String,
    digest: u64,
    tile: Tile,
    readers: Vec<ReaderView>,
    /// Nothing where it takes the choice of the branch first.
    present: Option<Present>,
    /// Whether somebody may choose this branch, and if so, whether only with a reason.
    chooses: Option<bool>,
    /// Reports and visits of this branch, for those who may see them.
    has_history: bool,
}

#[derive(Template)]
#[template(path = "centre/branch_now.html")]
struct BranchPart {
    text: Text,
    tile: Tile,
    readers: Vec<ReaderView>,
    present: Option<Present>,
}

pub(super) async fn branch(
    State(api): State<Api>,
    viewer: Viewer,
    Path(code): Path<String>,
) -> Result<Response, Refusal> {
    let page = async {
        let now = branch_of(&api, &viewer, &code).await?;
        let asked = Asked { branch: code.clone(), ..Asked::default() };
        api.service().looks_at_standing(viewer.caller(), 1).await?;
        let chooses = api.service().chooses_branches(&viewer.identified);
        let is_there = viewer.branch().as_str() == code;
        Ok(BranchPage {
            frame: Frame::of(&api, &viewer, "centre").await?,
            areas: areas(&viewer, "overview"),
            query: asked.query(),
            digest: digest(std::slice::from_ref(&now)),
            tile: Tile::of(&now, &viewer.text),
            readers: readers_of(&now, &viewer.text),
            present: present_in(&api, &viewer, &now.standing.code).await?,
            chooses: chooses.filter(|_| !(viewer.is_elsewhere() && is_there)),
            has_history: viewer.may(Action::SeeHistory),
            text: viewer.text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

pub(super) async fn branch_now(
    State(api): State<Api>,
    viewer: Viewer,
    Path(code): Path<String>,
) -> Result<Response, Refusal> {
    let part = async {
        let now = branch_of(&api, &viewer, &code).await?;
        Ok(BranchPart {
            tile: Tile::of(&now, &viewer.text),
            readers: readers_of(&now, &viewer.text),
            present: present_in(&api, &viewer, &now.standing.code).await?,
            text: viewer.text.clone(),
        })
    };
    part.await.map(|part| shown(&part)).map_err(|fault| viewer.refusal(fault))
}

async fn branch_of(api: &Api, viewer: &Viewer, code: &str) -> Result<BranchNow, Fault> {
    may_enter(viewer)?;
    let all = branches_now(api, viewer).await?;
    all.into_iter().find(|now| now.standing.code.as_str() == code).ok_or(Fault::NotFound("branch"))
}

/// Who is there, as far as somebody may see it without saying more than their session says.
async fn present_in(api: &Api, viewer: &Viewer, branch: &Name) -> Result<Option<Present>, Fault> {
    let caller = viewer.caller();
    let is_theirs = viewer.branch() == branch;
    let says_why = caller.reason.is_some() || !caller.grant.needs_reason(Action::SeeArrivals);
    if !is_theirs || !says_why || !viewer.may(Action::SeeArrivals) {
        return Ok(None);
    }
    let open = VisitFilter { branch: Some(branch.clone()), open: true, ..VisitFilter::ALL };
    let (guests, next) = api.service().guests(caller, &open, None, MOST).await?;
    let showing = Showing { text: &viewer.text, branch, suspects: &[] };
    let guests = guests.iter().map(|guest| showing.guest(guest)).collect();
    Ok(Some(Present { guests, is_cut: next.is_some() }))
}

fn readers_of(now: &BranchNow, text: &Text) -> Vec<ReaderView> {
    let view = |reader: &ReaderNow| ReaderView {
        name: reader.name.to_string(),
        driver: reader.driver.clone(),
        state_said: text.known("reader", reader.state),
        detail: reader.detail.clone(),
        since: reader.since.map(|at| text.moment(at)).unwrap_or_default(),
        is_well: reader.is_well,
        antennas: reader
            .antennas
            .iter()
            .map(|(port, zone, is_listening)| {
                let port = port.map(|port| port.to_string()).unwrap_or_default();
                (port, text.known("zone", zone), *is_listening)
            })
            .collect(),
    };
    now.readers.iter().map(view).collect()
}
