//! Things that contradict each other, and things without effect.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::Path;

use rfid_core::Name;
use rfid_core::presence::{LostAdaptive, PresenceSettings, SHORTEST_GLIMPSE, ZoneMap, ZoneSettings};
use serde_json::Value;

use super::checker::{At, Checker, not_there};
use super::fault::{Fault, Severity};
use super::names::{listed, nearest};
use super::source::Place;
use super::tree::join;
use super::{EmulatedAt, EmulatorConfig, HostConfig, PipelineConfig, ReaderConfig, SinkConfig};

impl Checker<'_> {
    /// Readers and sinks that no pipeline names, and branches in which nothing stands.
    pub(super) fn nothing_without_effect(&mut self) {
        let pipelines = self.tables("pipelines");
        for (key, what) in [("readers", "no pipeline reads it"), ("sinks", "no pipeline feeds it")] {
            let mut used: BTreeSet<String> = pipelines
                .iter()
                .filter_map(|(.., table)| table.get(key)?.as_array())
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect();
            if key == "readers" {
                used.extend(self.used_by_desks());
            }
            for name in self.names(key).difference(&used) {
                self.at_key(&join(&join("", key), name), format!("has no effect: {what}"));
            }
        }
        let readers = self.tables("readers");
        let used: BTreeSet<String> = readers
            .iter()
            .filter_map(|(.., table)| table.get("branch")?.as_str().map(str::to_owned))
            .collect();
        for name in self.names("branches").difference(&used) {
            let message = "has no effect: no reader stands in it";
            self.add(&join("/branches", name), At::Key, Severity::Warning, message, None);
        }
        if pipelines.is_empty() && self.faults.is_empty() {
            let message = "there is no pipeline; write [pipelines.NAME] with readers and sinks";
            self.faults.push(Fault::new(Place::new(0, 0..0), "pipelines", message));
        }
    }

    /// Two that want the same thing for themselves.
    pub(super) fn conflicts(
        &mut self,
        host: Option<&HostConfig>,
        emulators: &[&EmulatorConfig],
        readers: &[&ReaderConfig],
        sinks: &[&SinkConfig],
    ) {
        let mut taken: HashMap<String, String> = HashMap::new();
        let readers = readers.iter().map(|reader| {
            let pointer = join(&join("/readers", &reader.setup.reader), "address");
            (pointer, reader.driver.resources(&reader.settings))
        });
        let sinks = sinks.iter().map(|sink| {
            let pointer = join(&join("/sinks", &sink.name), "path");
            (pointer, sink.resources.clone())
        });
        let mut wishes: Vec<(String, Vec<String>)> = readers.chain(sinks).collect();
        // The one that stands first has it.
        wishes.sort_by_cached_key(|(pointer, _)| self.tree.value(pointer));
        for (pointer, resources) in wishes {
            for resource in resources {
                match taken.get(&resource) {
                    Some(other) => self.belongs_to(&pointer, &resource, &other.clone()),
                    None => drop(taken.insert(resource, pointer.clone())),
                }
            }
        }
        let mut listeners: Vec<(String, SocketAddr)> =
            host.iter().map(|host| ("/host/listen".to_owned(), host.listen)).collect();
        let mut links: Vec<(String, &Path)> = Vec::new();
        for emulator in emulators {
            let here = join("/emulators", &emulator.name);
            match &emulator.at {
                EmulatedAt::Listen(address) => {
                    let pointer = join(&here, "listen");
                    let other = listeners.iter().find(|(_, listen)| overlap(*listen, *address));
                    if let Some((other, listen)) = other {
                        let (resource, other) = (format!("tcp {listen}"), other.clone());
                        self.belongs_to(&pointer, &resource, &other);
                    }
                    listeners.push((pointer, *address));
                }
                EmulatedAt::Link(path) => {
                    let pointer = join(&here, "link");
                    if let Some((other, link)) = links.iter().find(|(_, link)| link == path) {
                        let (resource, other) = (link.display().to_string(), other.clone());
                        self.belongs_to(&pointer, &resource, &other);
                    }
                    links.push((pointer, path));
                }
            }
        }
    }

    fn belongs_to(&mut self, pointer: &str, resource: &str, other: &str) {
        let place = self.tree.value(other);
        let owner: Vec<&str> = other.split('/').skip(1).take(2).collect();
        let message = format!("{resource} belongs to {} already", owner.join("."));
        self.add(pointer, At::Value, Severity::Fault, message, place);
    }

    /// The zones that pipelines speak of, and the order of their sinks.
    pub(super) fn lines_in_order(
        &mut self,
        readers: &[&ReaderConfig],
        sinks: &[&SinkConfig],
        pipelines: &[&PipelineConfig],
    ) {
        let by_name: HashMap<&str, &ReaderConfig> =
            readers.iter().map(|reader| (reader.setup.reader.as_str(), *reader)).collect();
        let kinds: HashMap<&str, &str> =
            sinks.iter().map(|sink| (sink.name.as_str(), sink.kind.as_str())).collect();
        let mut everywhere: BTreeMap<&str, &str> = BTreeMap::new();
        for reader in readers {
            let name = reader.setup.reader.as_str();
            everywhere.extend(zones(&reader.place.zones).map(|zone| (zone.as_str(), name)));
        }
        if readers.len() == self.names("readers").len() {
            self.webhooks_have_something_to_say(&everywhere);
        }
        self.recordings_are_there(readers);
        for pipeline in pipelines {
            let pointer = join("/pipelines", &pipeline.name);
            let its_readers: Option<Vec<&ReaderConfig>> =
                pipeline.readers.iter().map(|name| by_name.get(name.as_str()).copied()).collect();
            // What a reader that is not in order would listen to is not known.
            if let Some(its_readers) = its_readers {
                self.zones_listened_to(&pointer, pipeline, &its_readers, &everywhere);
                self.live_or_played(&pointer, &its_readers);
            }
            self.registered_before_shown(&pointer, pipeline, &kinds);
        }
    }

    /// What is to be played may still be on its way here.
    fn recordings_are_there(&mut self, readers: &[&ReaderConfig]) {
        for reader in readers.iter().filter(|reader| reader.is_replay()) {
            let Some(file) = reader.settings.as_json().get("file").and_then(Value::as_str) else { continue };
            if let Err(error) = std::fs::File::open(file) {
                let pointer = join(&join("/readers", &reader.setup.reader), "file");
                let message = format!("cannot be opened from the folder in which this runs: {error}");
                self.add(&pointer, At::Value, Severity::Warning, message, None);
            }
        }
    }

    /// A pipeline lives by one time.
    fn live_or_played(&mut self, pointer: &str, readers: &[&ReaderConfig]) {
        let Some(played) = readers.iter().find(|reader| reader.is_replay()) else { return };
        for (index, live) in readers.iter().enumerate().filter(|(_, reader)| !reader.is_replay()) {
            let (live, played) = (&live.setup.reader, &played.setup.reader);
            let message = format!(
                "{live} is heard now, and {played} of this pipeline plays what was heard then; put them into pipelines of their own"
            );
            let other = self.tree.key(&join("/readers", played));
            self.add(&format!("{pointer}/readers/{index}"), At::Value, Severity::Fault, message, other);
        }
    }

    fn zones_listened_to(
        &mut self,
        pointer: &str,
        pipeline: &PipelineConfig,
        readers: &[&ReaderConfig],
        everywhere: &BTreeMap<&str, &str>,
    ) {
        let here: BTreeSet<&str> =
            readers.iter().flat_map(|reader| zones(&reader.place.zones)).map(|zone| zone.as_str()).collect();
        for zone in pipeline.presence.zones.keys().filter(|zone| !here.contains(zone.as_str())) {
            let pointer = join(&join(&join(pointer, "presence"), "zones"), zone);
            let elsewhere = everywhere.get(zone.as_str());
            let message = match elsewhere {
                Some(reader) => format!(
                    "has no effect: no reader of this pipeline listens there; {reader} does and is not one of them"
                ),
                None => nobody_there(zone, here.iter().copied()),
            };
            let other = elsewhere.and_then(|reader| self.tree.key(&join("/readers", reader)));
            self.add(&pointer, At::Key, Severity::Fault, message, other);
        }
        self.passages_lead_somewhere(&join(pointer, "presence"), &pipeline.presence, &here);
        self.silences_in_order(&join(pointer, "presence"), &pipeline.presence);
        self.times_take_effect(&join(pointer, "presence"), &pipeline.presence);
    }

    /// Each side of a passage is a zone that is listened to, and no zone is part of two.
    fn passages_lead_somewhere(&mut self, pointer: &str, presence: &PresenceSettings, here: &BTreeSet<&str>) {
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        for (number, passage) in presence.passages.iter().enumerate() {
            for (key, zone) in [("outer", passage.outer.as_str()), ("inner", passage.inner.as_str())] {
                let message = match (here.contains(zone), taken.insert(zone)) {
                    (false, _) => nobody_there(zone, here.iter().copied()),
                    (true, false) => {
                        format!("{zone} is already a side of a passage; a zone can be one side of one")
                    }
                    (true, true) => continue,
                };
                let pointer = join(&join(&join(pointer, "passages"), &number.to_string()), key);
                self.add(&pointer, At::Value, Severity::Fault, message, None);
            }
        }
    }

    fn silences_in_order(&mut self, pointer: &str, presence: &PresenceSettings) {
        let of_zones =
            presence.zones.iter().map(|(zone, own)| (join(&join(pointer, "zones"), zone), own.lost_adaptive));
        let all: Vec<_> = of_zones.chain([(pointer.to_owned(), presence.lost_adaptive)]).collect();
        for (pointer, adaptive) in all {
            let Some(LostAdaptive { at_least, at_most }) = adaptive else { continue };
            if at_most.0 < at_least.0 {
                let message = format!("at_most = {at_most} is shorter than at_least = {at_least}");
                self.add(&join(&pointer, "lost_adaptive"), At::Value, Severity::Fault, message, None);
            }
        }
    }

    /// Times at which presence would say something all the time, and times that it does not keep.
    fn times_take_effect(&mut self, pointer: &str, presence: &PresenceSettings) {
        const EVERY_READ: &str = "must be more than 0s";
        const NONE_REPEATED: &str = "must be more than 0s; left out, a tag that stays is not said again";
        const NEVER: &str = "must be more than 0s; 40d or more is never";
        const NO_PAIR: &str = "reads support each other for 2s; a longer time has the effect of none";
        let of_pipeline = ZoneSettings {
            confirm_within: Some(presence.confirm_within),
            lost_after: Some(presence.lost_after),
            lost_adaptive: presence.lost_adaptive,
            repeat_every: presence.repeat_every,
            stationary_after: Some(presence.stationary_after),
            ..ZoneSettings::default()
        };
        let of_zones = presence.zones.iter().map(|(zone, own)| (join(&join(pointer, "zones"), zone), own));
        for (pointer, own) in of_zones.chain([(pointer.to_owned(), &of_pipeline)]) {
            let adaptive = own.lost_adaptive.map(|adaptive| adaptive.at_least);
            for (key, time, message) in [
                ("lost_after", own.lost_after, EVERY_READ),
                ("lost_adaptive/at_least", adaptive, EVERY_READ),
                ("repeat_every", own.repeat_every, NONE_REPEATED),
                ("stationary_after", own.stationary_after, NEVER),
            ] {
                if time.is_some_and(|time| time.0.is_zero()) {
                    self.at_value(&format!("{pointer}/{key}"), message);
                }
            }
            if own.confirm_within.is_some_and(|within| within.0 > SHORTEST_GLIMPSE) {
                let pointer = join(&pointer, "confirm_within");
                self.add(&pointer, At::Value, Severity::Warning, NO_PAIR.to_owned(), None);
            }
        }
        if presence.glimpse_lasts.0 < SHORTEST_GLIMPSE {
            let message = "counts as 2s, for which reads support each other".to_owned();
            self.add(&join(pointer, "glimpse_lasts"), At::Value, Severity::Warning, message, None);
        }
    }

    /// Webhooks that wait for events of a zone or branch of which there are none.
    fn webhooks_have_something_to_say(&mut self, zones: &BTreeMap<&str, &str>) {
        let branches = self.names("branches");
        let known = |key: &str, name: &str| match key {
            "zones" => zones.contains_key(name),
            _ => branches.contains(name),
        };
        let mut faults = Vec::new();
        for (_, pointer, table) in self.tables("sinks") {
            let webhooks = table.get("webhooks").and_then(Value::as_array).into_iter().flatten();
            for (number, webhook) in webhooks.enumerate() {
                for key in ["zones", "branches"] {
                    let names = webhook.get(key).and_then(Value::as_array).into_iter().flatten();
                    let names = names.enumerate().filter_map(|(index, name)| Some((index, name.as_str()?)));
                    for (index, name) in names.filter(|(_, name)| !known(key, name)) {
                        let message = match key {
                            "zones" => nobody_there(name, zones.keys().copied()),
                            _ => not_there(name, &branches, "branches"),
                        };
                        faults.push((format!("{pointer}/webhooks/{number}/{key}/{index}"), message));
                    }
                }
            }
        }
        for (pointer, message) in faults {
            self.at_value(&pointer, message);
        }
    }

    /// A log behind the screens: people would see what is lost at a power cut.
    fn registered_before_shown(
        &mut self,
        pointer: &str,
        pipeline: &PipelineConfig,
        kinds: &HashMap<&str, &str>,
    ) {
        let mut shown: Option<(usize, &Name)> = None;
        for (index, sink) in pipeline.sinks.iter().enumerate() {
            match (kinds.get(sink.as_str()).copied(), shown) {
                (Some("notify"), None) => shown = Some((index, sink)),
                (Some("log"), Some((before, screens))) => {
                    let other = self.tree.value(&format!("{pointer}/sinks/{before}"));
                    let message = format!(
                        "the log stands behind \"{screens}\", so people would see what is not yet registered; put it before"
                    );
                    self.add(
                        &format!("{pointer}/sinks/{index}"),
                        At::Value,
                        Severity::Warning,
                        message,
                        other,
                    );
                }
                _ => {}
            }
        }
    }
}

fn nobody_there<'a>(zone: &str, there: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(zone, there.clone()) {
        Some(hint) => format!("has no effect: no reader listens there; did you mean \"{hint}\"?"),
        None => format!("has no effect: no reader listens there; there are: {}", listed(there)),
    }
}

/// The zones that a reader listens to.
pub(crate) fn zones(map: &ZoneMap) -> impl Iterator<Item = &Name> {
    let (whole, ports) = match map {
        ZoneMap::Whole(zone) => (Some(zone), [].as_slice()),
        ZoneMap::ByPort(ports) => (None, ports.as_slice()),
    };
    whole.into_iter().chain(ports.iter().map(|(_, zone)| zone))
}

/// Whether only one of the two can be listened on. Port 0 is a free one each time.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let either = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (either || one.ip() == other.ip())
}
