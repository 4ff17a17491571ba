//! A comparison as it runs: what is to be run, on which tabs, what came of it. Kept while views come and go.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_channel::oneshot;
use futures_util::future::join_all;
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use shared::magnet::Link;
use wasm_bindgen_futures::spawn_local;

use super::gather::Gather;
use super::http::{self, now, random_id};
use super::live::{Live, LiveState};
use super::model::{Lane, Outcome, Report};
use super::origins::{self, Access, Published};
use super::room::{Room, Said, Task};
use super::{p2p, record, seed};
use crate::client::{Client, SiteConfig};
use crate::platform::scope;
use crate::routes::Route;
use crate::text::compare as text;
use crate::{document, text as words};

/// Runs on offer.
pub const RUNS: [u32; 6] = [1, 3, 5, 7, 10, 20];
/// Receiver tabs on offer. All tabs of a browser share six HTTP/1.1 connections to a host: a seventh would only wait.
pub const TABS: [u32; 5] = [1, 2, 3, 4, 6];
/// Receivers that were told to stop say within this time how far they came; a tab that crashed never does.
const STOP_WITHIN_MS: u32 = 2_000;

/// What is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of the server's.
    Server(Published),
    /// A file of the person's, seeded by this tab under this link, once it is fingerprinted.
    Own {
        /// Its name.
        name: String,
        /// Bytes.
        size: u64,
        /// The link.
        magnet: Option<String>,
    },
}

impl Source {
    /// Bytes.
    pub const fn size(&self) -> u64 {
        match self {
            Self::Server(file) => file.size,
            Self::Own { size, .. } => *size,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Server(file) => &file.name,
            Self::Own { name, .. } => name,
        }
    }
}

/// Whether somebody gives the server's file to P2P.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seed {
    /// Nobody that is known of.
    #[default]
    None,
    /// A tab was opened for it.
    Opening,
    /// The tab fetches and fingerprints.
    Fetching,
    /// It seeds, under this link.
    Ready(String),
    /// It does not, and why.
    Failed(String),
}

/// Where the comparison stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Not begun, or over.
    #[default]
    Idle,
    /// In this round of so many; 0 is the warm-up.
    Running {
        /// Which.
        round: u32,
        /// Of how many.
        rounds: u32,
    },
}

/// The comparison of this tab, given to components by context.
#[derive(Clone, Copy)]
pub struct Race {
    /// What the server has; `None` until it told.
    pub files: RwSignal<Option<Result<Vec<Published>, ()>>>,
    /// What is moved.
    pub source: RwSignal<Option<Source>>,
    /// Ways that are chosen.
    pub chosen: RwSignal<Vec<Lane>>,
    /// What can be used from here.
    pub access: RwSignal<BTreeMap<Lane, Access>>,
    /// Runs of each way.
    pub runs: RwSignal<u32>,
    /// All at once.
    pub together: RwSignal<bool>,
    /// Tabs to open.
    pub tabs: RwSignal<u32>,
    /// Receiver tabs that are there, by their names.
    pub joined: RwSignal<Vec<String>>,
    /// Who gives the server's file to P2P.
    pub seed: RwSignal<Seed>,
    /// Where it stands.
    pub stage: RwSignal<Stage>,
    /// The latest transfers.
    pub live: RwSignal<BTreeMap<Lane, Live>>,
    /// What was found.
    pub report: RwSignal<Option<Report>>,
    stopped: RwSignal<bool>,
    room: StoredValue<Option<(String, Rc<Room>)>, LocalStorage>,
    waiting: StoredValue<Option<Gathering>, LocalStorage>,
    numbers: StoredValue<u32>,
    client: StoredValue<Client>,
}

/// What is awaited of receiver tabs, by task.
type Gathering = Rc<RefCell<BTreeMap<u32, Gather>>>;

impl Race {
    /// Nothing chosen, nothing run.
    pub fn new(client: Client) -> Self {
        Self {
            files: RwSignal::new(None),
            source: RwSignal::new(None),
            chosen: RwSignal::new(Lane::ALL.to_vec()),
            access: RwSignal::new(BTreeMap::new()),
            runs: RwSignal::new(5),
            together: RwSignal::new(false),
            tabs: RwSignal::new(2),
            joined: RwSignal::new(Vec::new()),
            seed: RwSignal::new(Seed::None),
            stage: RwSignal::new(Stage::Idle),
            live: RwSignal::new(BTreeMap::new()),
            report: RwSignal::new(None),
            stopped: RwSignal::new(false),
            room: StoredValue::new_local(None),
            waiting: StoredValue::new_local(None),
            numbers: StoredValue::new(0),
            client: StoredValue::new(client),
        }
    }

    /// The handle on the engine.
    pub fn client(&self) -> Client {
        self.client.get_value()
    }

    fn site(&self) -> SiteConfig {
        self.client.with_value(|client| client.state().site.get_untracked())
    }

    /// Asks the server what it has.
    pub fn look(self) {
        spawn_local(async move {
            let found = origins::published().await.map_err(|_| ());
            if let Ok(files) = &found
                && self.source.get_untracked().is_none()
                && let Some(first) = files.first()
            {
                self.source.set(Some(Source::Server(first.clone())));
            }
            self.files.set(Some(found));
        });
    }

    /// Tries which ways can be used.
    pub fn check(self) {
        let site = self.site();
        let webrtc = self.client.with_value(|client| client.state().capabilities.get_untracked().webrtc);
        for lane in Lane::ALL {
            let site = site.clone();
            spawn_local(async move {
                let access = origins::access(lane, &site, webrtc).await;
                self.access.update(|all| {
                    all.insert(lane, access);
                });
            });
        }
    }

    /// Chooses what is moved. A seed of something else is none.
    pub fn choose(self, source: Source) {
        if self.source.get_untracked().as_ref() != Some(&source) {
            self.seed.set(Seed::None);
            self.source.set(Some(source));
        }
    }

    /// Seeds a file of the person's from this tab.
    pub fn own(self, file: web_sys::File) {
        let (name, size) = (file.name(), file.size() as u64);
        self.choose(Source::Own { name: name.clone(), size, magnet: None });
        spawn_local(async move {
            let shared = seed::share(&self.client(), file).await;
            let asked = Source::Own { name: name.clone(), size, magnet: None };
            if self.source.get_untracked() != Some(asked) {
                return;
            }
            match shared {
                Ok(magnet) => self.source.set(Some(Source::Own { name, size, magnet: Some(magnet) })),
                Err(reason) => self.seed.set(Seed::Failed(reason)),
            }
        });
    }

    /// The link under which the file is given to P2P, if it is.
    pub fn magnet(&self) -> Option<String> {
        let seeded = match self.seed.get() {
            Seed::Ready(magnet) => Some(magnet),
            _ => None,
        };
        match self.source.get()? {
            Source::Own { magnet, .. } => magnet,
            Source::Server(file) => seeded.or(file.magnet),
        }
    }

    /// Ways that would run now.
    pub fn runnable(&self) -> Vec<Lane> {
        let own = matches!(self.source.get(), Some(Source::Own { .. }));
        let (access, seeded) = (self.access.get(), self.magnet().is_some());
        let can = |lane: &Lane| {
            access.get(lane) == Some(&Access::Open)
                && if lane.is_http() { !own } else { seeded && !(own && *lane == Lane::Hybrid) }
        };
        let mut lanes: Vec<Lane> = self.chosen.get().into_iter().filter(can).collect();
        // Both are one torrent of each receiver's engine.
        if self.together.get() && lanes.contains(&Lane::P2p) {
            lanes.retain(|lane| *lane != Lane::Hybrid);
        }
        lanes
    }

    /// Why it cannot start; `None` if it can.
    pub fn missing(&self) -> Option<&'static str> {
        match self.source.get() {
            None => Some(text::NEEDS_FILE),
            Some(Source::Own { .. }) if self.joined.with(Vec::is_empty) => Some(text::NEEDS_TABS),
            _ if self.runnable().is_empty() => Some(text::NEEDS_LANES),
            _ => None,
        }
    }

    /// Opens tabs that receive; answers how many the browser opened.
    pub fn open_tabs(self, count: u32) -> u32 {
        let Some(room) = self.enter() else { return 0 };
        (0..count).filter(|_| open(&Route::Receive(room.0.clone()))).count() as u32
    }

    /// Opens a tab that seeds the server's file.
    pub fn open_seed(self) {
        let opened = self.enter().is_some_and(|room| open(&Route::Seed(room.0)));
        self.seed.set(if opened { Seed::Opening } else { Seed::Failed(text::SEED_BLOCKED.to_owned()) });
    }

    /// Closes all tabs that were opened.
    pub fn close_tabs(self) {
        if let Some((_, room)) = self.room.get_value() {
            room.say(&Said::Close);
        }
        self.joined.set(Vec::new());
        self.seed.set(Seed::None);
    }

    /// Ends the comparison after what runs has been broken off.
    pub fn stop(self) {
        self.stopped.set(true);
        if let Some((_, room)) = self.room.get_value() {
            room.say(&Said::Stop);
        }
        let mut waiting: Vec<u32> = Vec::new();
        self.gathers(|gathers| waiting.extend(gathers.keys()));
        spawn_local(async move {
            TimeoutFuture::new(STOP_WITHIN_MS).await;
            let stopped = Outcome { error: Some(text::STOPPED.to_owned()), ..Outcome::default() };
            self.gathers(|gathers| {
                let left = gathers.iter_mut().filter(|(number, _)| waiting.contains(number));
                left.for_each(|(_, gather)| gather.abandon(&stopped));
            });
        });
    }

    fn enter(self) -> Option<(String, Rc<Room>)> {
        if let Some(room) = self.room.get_value() {
            return Some(room);
        }
        let name = random_id()?;
        let room = Rc::new(Room::enter(&name, move |said| self.hear(said)).ok()?);
        self.room.set_value(Some((name, room)));
        self.room.get_value()
    }

    fn hear(self, said: Said) {
        match said {
            Said::Here { tab } => self.joined.update(|joined| {
                if !joined.contains(&tab) {
                    joined.push(tab);
                }
            }),
            Said::Gone { tab } => {
                self.joined.update(|joined| joined.retain(|other| *other != tab));
                let gone = Outcome { error: Some(text::TAB_GONE.to_owned()), ..Outcome::default() };
                self.gathers(|gathers| {
                    gathers.values_mut().for_each(|gather| gather.settle(&tab, gone.clone()));
                });
            }
            Said::Far { tab, number, bytes } => self.gathers(|gathers| {
                let Some(gather) = gathers.get_mut(&number) else { return };
                gather.far.insert(tab, bytes);
                let (lane, all) = (gather.lane, gather.far.values().sum());
                self.note(lane, gather.begun, all);
            }),
            Said::Done { tab, number, outcome } => self.gathers(|gathers| {
                if let Some(gather) = gathers.get_mut(&number) {
                    gather.settle(&tab, outcome);
                }
            }),
            Said::SeedHere => {
                if let (Some(Source::Server(file)), Some((_, room))) =
                    (self.source.get_untracked(), self.room.get_value())
                {
                    room.say(&Said::Seed { path: file.path, name: file.name });
                    self.seed.set(Seed::Fetching);
                }
            }
            Said::Seeding { path, outcome } => {
                let chosen = self.source.get_untracked();
                if matches!(chosen, Some(Source::Server(file)) if file.path == path) {
                    self.seed.set(match outcome {
                        Ok(magnet) => Seed::Ready(magnet),
                        Err(reason) => Seed::Failed(reason),
                    });
                }
            }
            Said::Run(_) | Said::Stop | Said::Close | Said::Seed { .. } => {}
        }
    }

    fn gathers(self, change: impl FnOnce(&mut BTreeMap<u32, Gather>)) {
        if let Some(gathering) = self.waiting.get_value() {
            change(&mut gathering.borrow_mut());
        }
    }

    fn note(self, lane: Lane, begun: f64, bytes: u64) {
        let seconds = (now() - begun) / 1_000.0;
        let due =
            self.live.with_untracked(|live| live.get(&lane).is_some_and(|live| live.is_due(seconds, bytes)));
        if due {
            self.live.update(|live| {
                if let Some(live) = live.get_mut(&lane) {
                    live.note(seconds, bytes);
                }
            });
        }
    }

    /// Runs it all.
    pub fn start(self) {
        let (Some(source), None) = (self.source.get_untracked(), untrack(|| self.missing())) else { return };
        let lanes = untrack(|| self.runnable());
        let rounds = self.runs.get_untracked();
        let together = self.together.get_untracked();
        self.stopped.set(false);
        self.report
            .set(Some(Report { environment: record::environment(&source, together), ..Report::default() }));
        self.stage.set(Stage::Running { round: 0, rounds });
        spawn_local(async move {
            for round in 0..=rounds {
                self.stage.set(Stage::Running { round, rounds });
                self.live.set(lanes.iter().map(|lane| (*lane, Live::default())).collect());
                let order = shuffled(&lanes);
                if together {
                    join_all(order.into_iter().map(|lane| self.one(lane, round, &source))).await;
                } else {
                    for lane in order {
                        if !self.stopped.get_untracked() {
                            self.one(lane, round, &source).await;
                        }
                    }
                }
                if self.stopped.get_untracked() {
                    break;
                }
            }
            self.finish();
        });
    }

    fn finish(self) {
        self.report.update(|report| {
            if let Some(report) = report {
                report.environment.caveats = record::caveats(report);
            }
        });
        self.stage.set(Stage::Idle);
    }

    /// One way once, to all receivers.
    async fn one(self, lane: Lane, round: u32, source: &Source) {
        let size = source.size();
        let tabs = self.joined.get_untracked();
        let n = tabs.len().max(1) as u32;
        let task = match self.task(lane, source) {
            Ok(task) => task,
            Err(reason) => return self.show_failed(lane, reason),
        };
        self.live.update(|live| {
            let expected = size * u64::from(n);
            live.insert(lane, Live { expected, state: LiveState::Running, ..Live::default() });
        });
        let mut outcomes = if tabs.is_empty() {
            let begun = now();
            let progress = move |bytes| {
                self.note(lane, begun, bytes);
                !self.stopped.get_untracked()
            };
            vec![carry_out(&self.client(), &task, Rc::new(progress)).await]
        } else {
            self.gather(task, tabs).await
        };
        if !lane.is_http() && matches!(source, Source::Server(file) if file.seeded) {
            outcomes.iter_mut().for_each(|outcome| outcome.server_egress = None);
        }
        let failure = outcomes.iter().find_map(|outcome| outcome.error.clone());
        let last = outcomes.iter().map(|outcome| outcome.seconds).fold(0.0, f64::max);
        self.live.update(|live| {
            if let Some(live) = live.get_mut(&lane) {
                live.state = failure.clone().map_or(LiveState::Done(last), LiveState::Failed);
            }
        });
        if round > 0 && !self.stopped.get_untracked() {
            self.report.update(|report| {
                if let Some(report) = report {
                    record::enter(report, (lane, size, round), n, outcomes);
                }
            });
        }
    }

    fn show_failed(self, lane: Lane, reason: String) {
        let state = LiveState::Failed(reason);
        self.live.update(|live| {
            live.insert(lane, Live { state, ..Live::default() });
        });
    }

    fn task(self, lane: Lane, source: &Source) -> Result<Task, String> {
        let number = self.numbers.get_value() + 1;
        self.numbers.set_value(number);
        let origin = origins::of_lane(lane, &self.site()).ok_or_else(|| text::BROKEN_OFF.to_owned())?;
        let path = match source {
            Source::Server(file) => file.path.clone(),
            Source::Own { .. } => String::new(),
        };
        let what = match lane {
            Lane::P2p | Lane::Hybrid => {
                let magnet = untrack(|| self.magnet()).ok_or(text::NO_MAGNET)?;
                let seed = (lane == Lane::Hybrid).then(|| [&origin, path.as_str()].concat());
                with_web_seed(&magnet, seed)?
            }
            _ => path,
        };
        Ok(Task { number, lane, origin, what, size: source.size() })
    }

    async fn gather(self, task: Task, tabs: Vec<String>) -> Vec<Outcome> {
        let Some((_, room)) = self.room.get_value() else { return Vec::new() };
        let (tell, told) = oneshot::channel();
        let number = task.number;
        let gather = Gather {
            lane: task.lane,
            begun: now(),
            far: BTreeMap::new(),
            outcomes: tabs.into_iter().map(|tab| (tab, None)).collect(),
            tell: Some(tell),
        };
        let gathering = self.waiting.get_value().unwrap_or_default();
        gathering.borrow_mut().insert(number, gather);
        self.waiting.set_value(Some(Rc::clone(&gathering)));
        room.say(&Said::Run(task));
        let outcomes = told.await.unwrap_or_default();
        gathering.borrow_mut().remove(&number);
        outcomes
    }
}

/// Does what a task says, in this tab.
pub async fn carry_out(client: &Client, task: &Task, progress: Rc<dyn Fn(u64) -> bool>) -> Outcome {
    if task.lane.is_http() {
        http::transfer(task.lane, &task.origin, &task.what, task.size, &*progress).await
    } else {
        p2p::transfer(client, &task.what, task.size, progress).await
    }
}

/// A magnet link with this web seed and no other.
fn with_web_seed(magnet: &str, seed: Option<String>) -> Result<String, String> {
    let mut link: Link = magnet.parse().map_err(|error: shared::magnet::LinkError| error.to_string())?;
    link.web_seeds = seed.into_iter().collect();
    Ok(link.to_magnet())
}

/// In an order that is drawn.
fn shuffled(lanes: &[Lane]) -> Vec<Lane> {
    let mut order = lanes.to_vec();
    // Without random numbers the order stays: the transfers themselves will say that there are none.
    let drawn = scope::random_bytes::<8>().unwrap_or_default();
    for at in (1..order.len()).rev() {
        order.swap(at, usize::from(drawn[at % drawn.len()]) % (at + 1));
    }
    order
}

fn open(route: &Route) -> bool {
    let address = ["/#", &route.fragment()].concat();
    document::window().open_with_url_and_target(&address, "_blank").is_ok_and(|opened| opened.is_some())
}

/// How many receivers take part, in words.
pub fn who(joined: usize) -> String {
    if joined == 0 { text::THIS_TAB.to_owned() } else { words::plural(joined as u64, "tab", "tabs") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_the_web_seed_that_it_is_given() {
        let hash = "5a".repeat(20);
        let magnet = ["magnet:?xt=urn:btih:", &hash, "&ws=http%3A%2F%2Fx.example%2Fy"].concat();
        let plain: Link = with_web_seed(&magnet, None).unwrap().parse().unwrap();
        assert_eq!(plain.web_seeds, Vec::<String>::new());
        let seed = "http://h.example:1/files/a%20b".to_owned();
        let hybrid: Link = with_web_seed(&magnet, Some(seed.clone())).unwrap().parse().unwrap();
        assert_eq!(hybrid.web_seeds, [seed]);
        assert!(with_web_seed("nonsense", None).is_err());
    }
}
