//! Which screens there are, and whose each is.

use rfid_service::rights::Action;
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
const SCREENS: [Screen; 3] = [
    // Whoever looks for customers sits; whoever only greets walks.
    Screen {
        name: "desk",
        is_of: |viewer| viewer.may(Action::ActInVisits) && viewer.may(Action::SearchCustomers),
    },
    Screen { name: "lobby", is_of: |viewer| viewer.may(Action::ActInVisits) },
    Screen { name: "issuing", is_of: |viewer| Service::issues(viewer.caller()) },
];

/// A screen that stands in the bar of whoever works on it.
pub(super) struct Link {
    pub(super) path: String,
    pub(super) title: String,
    pub(super) is_current: bool,
}

/// The screens on which somebody works. `current`: the one they look at.
pub(super) fn links(viewer: &Viewer, current: &str) -> Vec<Link> {
    let link = |screen: &Screen| Link {
        path: format!("/{}", screen.name),
        title: viewer.text.known("screen", screen.name),
        is_current: screen.name == current,
    };
    SCREENS.iter().filter(|screen| (screen.is_of)(viewer)).map(link).collect()
}

/// The path of the screen on which somebody begins; none if there is none for them.
pub(super) fn first(viewer: &Viewer) -> Option<String> {
    links(viewer, "").into_iter().next().map(|link| link.path)
}

/// The path of the screen that a form names, and of nothing else.
pub(super) fn path_of(name: &str) -> &'static str {
    match name {
        "lobby" => "/lobby",
        "issuing" => "/issuing",
        _ => "/desk",
    }
}
