//! Things going wrong, as a plan says.

use core::time::Duration;

use shared::engine::{ClosedBy, Command, Input};
use shared::id::TrackerId;

use crate::net::LinkId;
use crate::plan::Fault;
use crate::world::{Happening, World};

impl World {
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.log.note(self.now, &format!("{fault:?}"));
        match fault {
            Fault::LoseConnection => {
                if let Some(link) = self.net.any_open() {
                    self.lose(link);
                }
            }
            Fault::Kill(host) => self.kill(host),
            Fault::Restart(host) => {
                if self.hosts[host].running.is_none() {
                    self.start(host);
                }
            }
            Fault::TrackerDown => self.tracker_down(),
            Fault::TrackerUp => self.tracker.up(),
            Fault::Disk(host, room) => self.hosts[host].disk.resize(room),
            Fault::Retry(host) => {
                let torrent = self.content.metainfo.info_hash();
                self.command(host, Command::Start(torrent));
            }
            Fault::Isolate(host) => {
                self.hosts[host].isolated = true;
                for link in self.net.of_host(host) {
                    self.lose(link);
                }
                for (socket, life, tracker) in self.tracker.of_host(host) {
                    self.at(self.now, Happening::TrackerLoses(socket));
                    self.tracker_gone(host, life, tracker);
                }
            }
            Fault::Rejoin(host) => self.hosts[host].isolated = false,
        }
    }

    fn lose(&mut self, link: LinkId) {
        self.net.get(link).lost = true;
        for side in 0..2 {
            let when = self.now + self.net.jitter(Duration::from_secs(5));
            self.at(when, Happening::Closes(link, side, ClosedBy::Transport("lost".to_owned())));
        }
    }

    fn kill(&mut self, host: usize) {
        for link in self.net.of_host(host) {
            self.lose(link);
        }
        for (socket, _, _) in self.tracker.of_host(host) {
            self.at(self.now, Happening::TrackerLoses(socket));
        }
        let state = &mut self.hosts[host];
        state.running = None;
        state.life += 1;
        state.disk.crash();
    }

    fn tracker_down(&mut self) {
        self.http.forget();
        for (_, (host, life, tracker)) in self.tracker.down() {
            self.tracker_gone(host, life, tracker);
        }
    }

    fn tracker_gone(&mut self, host: usize, life: u32, tracker: TrackerId) {
        let state = &mut self.hosts[host];
        if state.life != life {
            return;
        }
        if let Some(running) = &mut state.running {
            running.trackers.remove(&tracker);
        }
        let input = Input::TrackerClosed { tracker, reason: "connection lost".to_owned() };
        self.at(self.now, Happening::Input(host, life, input));
    }
}
