//! What people ask for.

use std::sync::Arc;

use super::{Command, Engine, Event, Origin};
use crate::id::InfoHash;
use crate::magnet::Link;
use crate::metainfo::Metainfo;
use crate::torrent::{Beginning, Context, Torrent};
use crate::{limits, url};

impl Engine {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Add { origin, trackers, start } => self.add(origin, trackers, start),
            Command::Start(torrent) => self.of(torrent, Torrent::start),
            Command::Pause(torrent) => self.of(torrent, Torrent::pause),
            Command::Reannounce(torrent) => {
                self.of(torrent, |torrent, ctx| torrent.reannounce(ctx));
                let active = self.torrents.get(&torrent).filter(|torrent| torrent.is_active());
                for tracker in active.into_iter().flat_map(Torrent::trackers) {
                    self.trackers.hurry(&mut self.ctx, tracker);
                }
            }
            Command::AddPeers { torrent, addresses } => {
                self.of(torrent, |torrent, ctx| torrent.add_peers(ctx, &addresses));
            }
            Command::Remove { torrent, erase } => self.remove(torrent, erase),
            Command::SetLimits { upload, download } => {
                self.ctx.upload.set_rate(upload, self.ctx.now);
                self.ctx.download.set_rate(download, self.ctx.now);
                self.touched.extend(self.torrents.keys());
            }
            Command::ReportTo(trackers) => self.trackers.report_to(trackers),
            Command::Shutdown => {
                for info_hash in self.order.clone() {
                    self.of(info_hash, |torrent, ctx| {
                        torrent.pause(ctx);
                        torrent.end(ctx, false);
                    });
                }
            }
        }
    }

    fn of(&mut self, torrent: InfoHash, act: impl FnOnce(&mut Torrent, &mut Context)) {
        if self.torrents.contains_key(&torrent) {
            self.with(torrent, act);
        } else {
            self.refuse(Some(torrent), "there is no such torrent here".to_owned());
        }
    }

    fn refuse(&mut self, torrent: Option<InfoHash>, reason: String) {
        self.ctx.event(Event::Refused { torrent, reason });
    }

    fn add(&mut self, origin: Origin, more_trackers: Vec<String>, start: bool) {
        let Read { beginning, trackers: named, web_seeds, peers } = match read(origin, start) {
            Ok(read) => read,
            Err(reason) => return self.refuse(None, reason),
        };
        let info_hash = beginning.info_hash;
        if let Some(torrent) = self.torrents.get_mut(&info_hash) {
            match beginning.meta {
                Some(meta) if beginning.complete => torrent.share(&mut self.ctx, meta),
                Some(meta) => torrent.learn(&mut self.ctx, meta),
                None => {}
            }
            self.touched.insert(info_hash);
        } else if self.torrents.len() >= limits::TORRENTS_MAX {
            let reason = format!("expected at most {} torrents", limits::TORRENTS_MAX);
            return self.refuse(Some(info_hash), reason);
        } else {
            let rng = self.rng.fork(&info_hash.to_string());
            self.torrents.insert(info_hash, Torrent::new(&mut self.ctx, beginning, rng));
            self.order.push(info_hash);
            self.touched.insert(info_hash);
        }
        for text in more_trackers.iter().chain(&named) {
            let Ok(url) = url::check(text, url::TRACKER_SCHEMES) else { continue };
            let id = self.trackers.id(&url);
            let open = id.is_some_and(|id| self.trackers.is_open(id));
            if let Some(torrent) = self.torrents.get_mut(&info_hash) {
                torrent.add_tracker(&self.ctx, &url, id, open);
            }
        }
        if let Some(torrent) = self.torrents.get_mut(&info_hash) {
            web_seeds.iter().for_each(|url| torrent.add_web_seed(&self.ctx, url));
            if self.ctx.dials {
                torrent.add_link_peers(&mut self.ctx, &peers);
            }
        }
        self.sync_trackers();
    }

    fn remove(&mut self, torrent: InfoHash, erase: bool) {
        self.of(torrent, |torrent, ctx| torrent.end(ctx, erase));
        if self.torrents.remove(&torrent).is_some() {
            self.order.retain(|other| *other != torrent);
            self.ctx.forget_jobs(torrent);
            self.ctx.event(Event::Removed(torrent));
        }
    }
}

/// What an origin says.
struct Read {
    beginning: Beginning,
    trackers: Vec<String>,
    web_seeds: Vec<String>,
    /// Addresses of peers, as `host:port`.
    peers: Vec<String>,
}

fn read(origin: Origin, start: bool) -> Result<Read, String> {
    match origin {
        Origin::Link(text) => {
            let link = Link::parse(&text).map_err(|error| error.to_string())?;
            let Link { info_hash, name, length, trackers, web_seeds, peers, .. } = link;
            let beginning = Beginning { info_hash, name, length, meta: None, complete: false, start };
            Ok(Read { beginning, trackers, web_seeds, peers })
        }
        Origin::Metainfo(torrent) => read_metainfo(&torrent, false, start),
        Origin::Complete(torrent) => read_metainfo(&torrent, true, start),
    }
}

fn read_metainfo(torrent: &[u8], complete: bool, start: bool) -> Result<Read, String> {
    let meta = Metainfo::parse(torrent).map_err(|error| error.to_string())?;
    let (trackers, web_seeds) = (meta.trackers().to_vec(), meta.web_seeds().to_vec());
    let info_hash = meta.info_hash();
    let meta = Some(Arc::new(meta));
    let beginning = Beginning { info_hash, name: None, length: None, meta, complete, start };
    Ok(Read { beginning, trackers, web_seeds, peers: Vec::new() })
}
