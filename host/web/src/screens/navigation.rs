//! Which screens there are, and whose each is.

use rfid_service::rights::{Action, Role};
use rfid_service::service::Service;

use super::viewer::Viewer;

/// A screen.
struct Screen {
    /// As in its address and in the key of its title.
    name: &'static str,
    /// Whether somebody works on it.
    is_of: fn(&Viewer) -> bool,
}

/// All of them; somebody's first is where they begin.
const SCREENS: &[Screen] = &[
    // Whoever looks for customers sits; whoever only greets walks.
    Screen {
        name: "desk",
        is_of: |viewer| {
            (viewer.may(Action::ActInVisits) || viewer.is_elsewhere()) && viewer.may(Action::SearchCustomers)
        },
    },
    // Whoever looks at a branch from the centre sees its screens, and acts on none of them.
    Screen { name: "lobby", is_of: |viewer| viewer.may(Action::ActInVisits) || viewer.is_elsewhere() },
    Screen { name: "display", is_of: |viewer| viewer.caller().grant.holds(Role::Display) },
    Screen { name: "centre", is_of: |viewer| viewer.may(Action::SeeReports) },
    Screen { name: "issuing", is_of: |viewer| Service::issues(viewer.caller()) },
    Screen {
        name: "administration/people",
        is_of: |viewer| viewer.may(Action::LockAccounts) || viewer.knows(Action::RequestAccounts),
    },
    Screen { name: "administration/audit", is_of: |viewer| viewer.may(Action::ReadAudit) },
    Screen { name: "administration/readers", is_of: |viewer| viewer.may(Action::SeeInstallation) },
    Screen {
        // Whoever greets sees on their own screen whether there is a line, and needs no more.
        name: "administration/host",
        is_of: |viewer| viewer.may(Action::SeeHealth) && watches_over_others(viewer),
    },
    Screen { name: "administration/backups", is_of: |viewer| viewer.may(Action::SeeBackups) },
    Screen { name: "administration/tokens", is_of: |viewer| viewer.may(Action::SeeClients) },
    Screen { name: "administration/policies", is_of: |viewer| viewer.may(Action::SeePolicies) },
    Screen { name: "administration/rights", is_of: watches_over_others },
];

/// Whether somebody looks after people, parts of the host or the trail.
fn watches_over_others(viewer: &Viewer) -> bool {
    [Action::LockAccounts, Action::SeeInstallation, Action::ReadAudit]
        .into_iter()
        .any(|action| viewer.may(action))
}

/// A screen that stands in the bar of whoever works on it.
pub(super) struct Link {
    pub(super) path: String,
    pub(super) title: String,
    pub(super) is_current: bool,
}

/// The bar of whoever looks at `current`: the screens on which they work, and those of one group as one.
pub(super) fn links(viewer: &Viewer, current: &str) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for screen in SCREENS.iter().filter(|screen| (screen.is_of)(viewer)) {
        let name = group_of(screen.name).unwrap_or(screen.name);
        let path = format!("/{name}");
        if links.iter().all(|link| link.path != path) {
            let title = viewer.text.known("screen", name);
            links.push(Link { path, title, is_current: group_of(current).unwrap_or(current) == name });
        }
    }
    links
}

/// The screens of the same group as the one that they look at; none where it is of no group.
pub(super) fn within(viewer: &Viewer, current: &str) -> Vec<Link> {
    let Some(group) = group_of(current) else { return Vec::new() };
    let link = |screen: &Screen| Link {
        path: format!("/{}", screen.name),
        title: viewer.text.known("screen", &key_of(screen.name)),
        is_current: screen.name == current,
    };
    let of_group =
        SCREENS.iter().filter(|screen| group_of(screen.name) == Some(group) && (screen.is_of)(viewer));
    of_group.map(link).collect()
}

/// The group of a screen: what stands before the stroke in its address.
fn group_of(name: &str) -> Option<&str> {
    name.split_once('/').map(|(group, _)| group)
}

/// The name of a screen where no stroke can stand: in keys of texts, and of its guide.
pub(super) fn key_of(name: &str) -> String {
    name.replace('/', "-")
}

/// Whether somebody works on the screen of this name.
pub(super) fn is_of(viewer: &Viewer, name: &str) -> bool {
    SCREENS.iter().any(|screen| screen.name == name && (screen.is_of)(viewer))
}

/// The path of the screen on which somebody begins; none if there is none for them.
pub(super) fn first(viewer: &Viewer) -> Option<String> {
    SCREENS.iter().find(|screen| (screen.is_of)(viewer)).map(|screen| format!("/{}", screen.name))
}

/// The path of the first screen of a group on which somebody works.
pub(super) fn first_of(viewer: &Viewer, group: &str) -> Option<String> {
    let mut of_group = SCREENS.iter().filter(|screen| group_of(screen.name) == Some(group));
    of_group.find(|screen| (screen.is_of)(viewer)).map(|screen| format!("/{}", screen.name))
}

/// The path of the screen that a form names, and of nothing else.
pub(super) fn path_of(name: &str) -> String {
    let known = SCREENS.iter().find(|screen| screen.name == name);
    format!("/{}", known.map_or("desk", |screen| screen.name))
}

/// A place of ours that a form names, and no other; the first page where it is none.
pub(super) fn own(place: &str) -> &str {
    if place.starts_with('/') && !place.starts_with("//") && !place.contains('\\') { place } else { "/" }
}

/// The path of the screen of a guide; the first page where there is no such screen.
pub(super) fn path_of_key(key: &str) -> String {
    let known = SCREENS.iter().find(|screen| key_of(screen.name) == key);
    known.map_or("/".to_owned(), |screen| format!("/{}", screen.name))
}

/// The names of all screens.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SCREENS.iter().map(|screen| screen.name)
}
