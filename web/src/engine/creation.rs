//! Shared files on their way to become a torrent.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use shared::engine::{Command, Input, Origin};
use shared::metainfo::builder::Builder;
use web_sys::File;

use super::host::Host;
use super::pump::Handle;
use crate::client::{Creation, CreationId, CreationState};
use crate::hash::pool::{Heard, Pool};
use crate::hash::protocol::FromHasher;
use crate::text;

/// The rate shown is over this many milliseconds.
const RATE_WINDOW_MS: f64 = 2_000.0;

/// All creations of this tab.
pub(super) struct Creations {
    pool: Pool,
    making: BTreeMap<CreationId, Making>,
    changed: bool,
}

struct Making {
    shown: Creation,
    /// `None` when it is done or has failed.
    work: Option<Building>,
    /// When how many bytes were hashed.
    progress: VecDeque<(f64, u64)>,
}

struct Building {
    builder: Builder,
    /// In the builder's order.
    files: Rc<[File]>,
}

impl Creations {
    /// No creations; `threads` hash workers when there are some.
    pub(super) fn new(threads: usize, pump: Handle) -> Self {
        let on_heard = Rc::new(move |number: usize, heard: Heard| {
            pump.run(move |host| host.hear_hasher(number, heard));
        });
        Self { pool: Pool::new(threads, on_heard), making: BTreeMap::new(), changed: false }
    }

    /// Begins to hash files. What is wrong with them shows as a failed creation.
    pub(super) fn begin(
        &mut self,
        id: CreationId,
        name: Option<&str>,
        paths: Vec<Vec<String>>,
        files: Vec<File>,
    ) {
        self.changed = true;
        let mut shown = Creation {
            id,
            name: name.map(str::to_owned).unwrap_or_default(),
            files: files.len() as u32,
            total_bytes: files.iter().map(|file| file.size() as u64).sum(),
            hashed_bytes: 0,
            rate: 0,
            state: CreationState::Hashing,
        };
        let described: Vec<(Vec<String>, u64)> =
            paths.into_iter().zip(&files).map(|(path, file)| (path, file.size() as u64)).collect();
        let begun = Builder::new(name, &described).map_err(|error| error.to_string()).and_then(|builder| {
            shown.name = builder.name().to_owned();
            let ordered: Rc<[File]> =
                builder.order().iter().filter_map(|at| files.get(*at).cloned()).collect();
            self.pool.add(id.0, builder.layout(), Rc::clone(&ordered)).map_err(|error| error.to_string())?;
            Ok(Building { builder, files: ordered })
        });
        let work = match begun {
            Ok(work) => Some(work),
            Err(reason) => {
                shown.state = CreationState::Failed { reason };
                None
            }
        };
        self.making.insert(id, Making { shown, work, progress: VecDeque::new() });
    }

    /// Gives up a creation, or takes it off the list.
    pub(super) fn cancel(&mut self, id: CreationId) {
        self.changed = true;
        self.making.remove(&id);
        self.forget(id);
    }

    /// Whether anything is being hashed.
    pub(super) fn any_hashing(&self) -> bool {
        self.making.values().any(|making| making.work.is_some())
    }

    /// Whether the list changed since this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// All of them, in order.
    pub(super) fn list(&self) -> Vec<Creation> {
        self.making.values().map(|making| making.shown.clone()).collect()
    }

    fn fail(&mut self, id: CreationId, reason: String) {
        self.changed = true;
        self.forget(id);
        if let Some(making) = self.making.get_mut(&id)
            && making.work.take().is_some()
        {
            making.shown.state = CreationState::Failed { reason };
        }
    }

    fn forget(&mut self, id: CreationId) {
        // A hash worker that cannot be told is about to be ended with the others.
        let _ = self.pool.forget(id.0);
    }

    /// Takes in the hashes of some pieces; answers the torrent when it was the last.
    fn digests(
        &mut self,
        id: CreationId,
        first: u32,
        digests: &[u8],
        bytes: u64,
        now: f64,
    ) -> Option<Building> {
        let making = self.making.get_mut(&id)?;
        let work = making.work.as_mut()?;
        self.changed = true;
        for (number, digest) in (first..).zip(digests.as_chunks().0) {
            if let Some(piece) = work.builder.layout().piece(number) {
                work.builder.set_hash(piece, *digest);
            }
        }
        making.shown.hashed_bytes += bytes;
        making.measure(now);
        if work_missing(making) { None } else { making.work.take() }
    }

    fn finish(&mut self, id: CreationId, state: CreationState) {
        self.changed = true;
        self.forget(id);
        if let Some(making) = self.making.get_mut(&id) {
            making.shown.state = state;
        }
    }
}

fn work_missing(making: &Making) -> bool {
    making.work.as_ref().is_some_and(|work| work.builder.missing() > 0)
}

impl Making {
    fn measure(&mut self, now: f64) {
        self.progress.push_back((now, self.shown.hashed_bytes));
        while self.progress.front().is_some_and(|(at, _)| now - at > RATE_WINDOW_MS)
            && self.progress.len() > 2
        {
            self.progress.pop_front();
        }
        if let Some((at, bytes)) = self.progress.front()
            && now > *at
        {
            self.shown.rate = ((self.shown.hashed_bytes - bytes) as f64 * 1e3 / (now - at)) as u64;
        }
    }
}

impl Host {
    fn hear_hasher(&mut self, number: usize, heard: Heard) {
        let fed = match heard {
            Heard::Said(FromHasher::Loaded) => self.creations.pool.loaded(number),
            Heard::Said(FromHasher::Failed { job, reason }) => {
                self.creations.fail(CreationId(job), reason);
                self.publisher.hurry();
                self.creations.pool.done(number, job, None)
            }
            Heard::Said(FromHasher::Digests { job, first, digests, bytes }) => {
                let id = CreationId(job);
                if let Some(built) = self.creations.digests(id, first, &digests, bytes, js_sys::Date::now()) {
                    self.finish_creation(id, built);
                }
                self.creations.pool.done(number, job, Some(first))
            }
            Heard::Died => self.creations.pool.died(number).map(|lost| {
                for job in lost {
                    self.creations.fail(CreationId(job), text::HASHING_DIED.to_owned());
                    self.publisher.hurry();
                }
            }),
        };
        if let Err(error) = fed {
            web_sys::console::error_1(&format!("a hash worker cannot be reached: {error}").into());
        }
    }

    /// Seeds what was hashed.
    fn finish_creation(&mut self, id: CreationId, built: Building) {
        let Building { builder, files } = built;
        let state = match builder.finish() {
            Ok(metainfo) => {
                let info_hash = metainfo.info_hash();
                let trackers = vec![self.tracker.clone()];
                let origin = Origin::Complete(Bytes::from(metainfo.to_torrent(&trackers)));
                self.sources.insert(info_hash, files);
                self.pump.input(Input::Command(Command::Add { origin, trackers, start: true }));
                CreationState::Done { info_hash }
            }
            Err(error) => CreationState::Failed { reason: error.to_string() },
        };
        self.creations.finish(id, state);
        self.publisher.hurry();
    }
}
