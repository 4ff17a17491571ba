//! What the page asks for.

use bytes::Bytes;
use js_sys::{Array, Uint8Array};
use shared::engine::{Command, EffectFailure, EffectResult, Input, Origin};
use shared::id::InfoHash;
use shared::magnet::Link;
use shared::metainfo::Metainfo;
use shared::url;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, File};

use super::host::Host;
use super::stores::{Work, with_web_seeds};
use crate::client::{Level, same_server};
use crate::platform::JsError;
use crate::protocol::{FromWorker, ToWorker};
use crate::text;

impl Host {
    /// Takes in a message of the page with the handles beside it.
    pub(super) fn ask(&mut self, message: ToWorker, handles: Vec<JsValue>) {
        let handle = || handles.first().cloned();
        match message {
            // Taken in where messages are heard.
            ToWorker::ProbeChannel | ToWorker::Start(_) | ToWorker::Channel { .. } => {}
            ToWorker::Command(command) => self.command(command),
            ToWorker::OpenLink { torrent, link } => self.open(torrent, Origin::Link(link)),
            ToWorker::OpenTorrent { request, metainfo } => self.open_torrent(request, &metainfo),
            ToWorker::Share { id, name, paths } => {
                let files: Vec<File> = handles.into_iter().map(JsCast::unchecked_into).collect();
                self.creations.begin(id, name.as_deref(), paths, files);
                self.publisher.hurry();
            }
            ToWorker::CancelShare(id) => {
                self.creations.cancel(id);
                self.publisher.hurry();
            }
            ToWorker::ResumeStored { torrent, slot } => self.resume_stored(torrent, slot),
            ToWorker::DiscardStored { torrent, slot } => self.discard_stored(torrent, slot),
            ToWorker::File { request, torrent, file } => self.work(torrent, Work::File { request, file }),
            ToWorker::TorrentFile { request, torrent } => self.give_torrent_file(request, torrent),
            ToWorker::Described { effect, conn, sdp } => self.hear_description(effect, conn, sdp),
            ToWorker::Accepted { effect, failure } => {
                let result = failure
                    .map_or(EffectResult::Done, |reason| EffectResult::Failed(EffectFailure::Failed(reason)));
                self.pump.done(effect, result);
            }
            ToWorker::ChannelOpened { conn } => self.opened(conn),
            ToWorker::ChannelData { conn } => {
                if let Some(buffer) = handle() {
                    self.relayed_data(conn, &buffer);
                }
            }
            ToWorker::ChannelDrained { conn, buffered, taken } => self.relayed_drained(conn, buffered, taken),
            ToWorker::ChannelClosed { conn } => self.closed(conn),
            ToWorker::ConnectionFailed { conn, reason } => self.failed(conn, reason),
            ToWorker::LoggedIn(is) => self.logged_in(is),
            ToWorker::Persisted(granted) => self.capabilities.persisted = Some(granted),
            ToWorker::Shutdown => self.command(Command::Shutdown),
        }
    }

    pub(super) fn command(&self, command: Command) {
        self.pump.input(Input::Command(command));
    }

    /// Adds a `.torrent` without the trackers and web seeds of others. Those are in the link that it is answered by: the page shows
    /// them, and asks them when the person wants to download, as with any link.
    fn open_torrent(&self, request: u32, metainfo: &[u8]) {
        let link = match Metainfo::parse(metainfo) {
            Ok(metainfo) => {
                let trackers = metainfo.trackers().to_vec();
                let own = |url: &&String| same_server(url, &self.tracker);
                let own: Vec<String> = trackers.iter().filter(own).cloned().collect();
                let web_seeds = metainfo.web_seeds().to_vec();
                let ours = |url: &&String| same_server(url, &self.tracker);
                let our_seeds: Vec<String> = web_seeds.iter().filter(ours).cloned().collect();
                let mut link = Link::new(metainfo.info_hash());
                link.name = Some(metainfo.name().to_owned());
                link.length = Some(metainfo.layout().total());
                link.trackers = trackers;
                link.web_seeds = web_seeds;
                self.open(
                    link.info_hash,
                    Origin::Metainfo(with_web_seeds(metainfo, &our_seeds).to_torrent(&own).into()),
                );
                Ok(link.to_magnet())
            }
            Err(error) => {
                web_sys::console::warn_1(&error.to_string().into());
                Err(text::TORRENT_BROKEN.to_owned())
            }
        };
        self.say(&FromWorker::TorrentOpened { request, link });
    }

    /// Adds a torrent; goes on with what a gone tab left of it.
    fn open(&self, torrent: InfoHash, origin: Origin) {
        let trackers = vec![self.tracker.clone()];
        let known = self.engine.metainfo(&torrent).is_some();
        let Some(library) = self.library.clone().filter(|_| !known) else {
            self.command(Command::Add { origin, trackers, start: false });
            return self.pump.run(move |host| host.keep_trackers(torrent));
        };
        let pump = self.pump.clone();
        spawn_local(async move {
            if let Some((slot, metainfo)) = library.torrent(torrent, None).await {
                library.want(torrent, slot);
                let origin = Origin::Metainfo(metainfo);
                pump.input(Input::Command(Command::Add { origin, trackers: trackers.clone(), start: true }));
            }
            // Of one that is known by now, its trackers only are taken.
            pump.input(Input::Command(Command::Add { origin, trackers, start: false }));
            pump.run(move |host| host.keep_trackers(torrent));
        });
    }

    fn resume_stored(&self, torrent: InfoHash, slot: u32) {
        let Some(library) = self.library.clone() else { return };
        let (pump, trackers) = (self.pump.clone(), vec![self.tracker.clone()]);
        spawn_local(async move {
            if library.is_held(torrent, slot).await.unwrap_or(false) {
                return pump.run(move |host| {
                    host.notice(Level::Warning, Some(torrent), text::HELD_ELSEWHERE);
                    host.tell_stored();
                });
            }
            let origin = match library.torrent(torrent, Some(slot)).await {
                Some((_, metainfo)) => Origin::Metainfo(metainfo),
                // Without a whole `.torrent` somebody has to give the metadata; the pieces are checked then.
                None => Origin::Link(torrent.to_string()),
            };
            library.want(torrent, slot);
            pump.input(Input::Command(Command::Add { origin, trackers, start: true }));
        });
    }

    fn discard_stored(&self, torrent: InfoHash, slot: u32) {
        let Some(library) = self.library.clone() else { return };
        let pump = self.pump.clone();
        spawn_local(async move {
            let discarded = library.discard(torrent, slot).await;
            pump.run(move |host| {
                if let Err(error) = discarded {
                    web_sys::console::warn_1(&format!("{torrent}/{slot}: {error}").into());
                    host.notice(Level::Warning, Some(torrent), text::NOT_DISCARDED);
                }
                host.tell_stored();
            });
        });
    }

    fn give_torrent_file(&self, request: u32, torrent: InfoHash) {
        let Some(metainfo) = self.engine.metainfo(&torrent) else {
            let name = Err("its metadata is not here yet".to_owned());
            return self.say(&FromWorker::File { request, name });
        };
        let (trackers, web_seeds) = self.named_by(torrent);
        let metainfo = with_web_seeds(Metainfo::clone(&metainfo), &web_seeds);
        // It is given to others.
        let trackers: Vec<String> = trackers.iter().map(|tracker| url::without_key(tracker)).collect();
        let bytes = Bytes::from(metainfo.to_torrent(&trackers));
        let parts = Array::of1(&Uint8Array::from(&bytes[..]));
        match Blob::new_with_u8_array_sequence(&parts) {
            Ok(blob) => {
                let name = Ok(format!("{}.torrent", metainfo.name()));
                self.say_with(&FromWorker::File { request, name }, &[], &[blob.into()]);
            }
            Err(error) => {
                let name = Err(JsError::from(error).to_string());
                self.say(&FromWorker::File { request, name });
            }
        }
    }
}
