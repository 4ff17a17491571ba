//! What a person does, from wherever in the page they do it.

use std::collections::BTreeSet;

use leptos::prelude::*;
use shared::engine::Phase;
use shared::id::InfoHash;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::{Creating, Ui};
use crate::client::{CreationState, Level, SharedFile};
use crate::intake::Given;
use crate::routes::Route;
use crate::{document, sample, text};

impl Ui {
    /// Takes what was dropped or pasted: files to share, a `.torrent` to download, or the text of a link.
    pub fn take(self, given: Given) {
        if given.is_empty() {
            if given.text.is_empty() {
                self.say(text::NOTHING_DROPPED);
            } else {
                self.open_text(&given.text);
            }
            return;
        }
        spawn_local(async move {
            match given.files().await {
                Ok(files) => self.take_files(files),
                Err(_) => self.say(text::UNREADABLE),
            }
        });
    }

    /// Shares files; a single `.torrent` is a download instead.
    pub fn take_files(self, files: Vec<SharedFile>) {
        match files.as_slice() {
            [] => self.say(text::NOTHING_DROPPED),
            [only] if matches!(self.route.get_untracked(), Route::Compare) => {
                self.race.own(only.file.clone())
            }
            [only] if only.file.name().to_ascii_lowercase().ends_with(".torrent") => {
                self.open_torrent(only.file.clone())
            }
            _ => self.share(files),
        }
    }

    /// Shares the built-in sample.
    pub fn share_sample(self) {
        if let Some(file) = sample::file() {
            self.share(vec![SharedFile { path: vec![file.name()], file }]);
        }
    }

    fn share(self, files: Vec<SharedFile>) {
        let listed = files.iter().map(|shared| (shared.path.join("/"), shared.file.size() as u64)).collect();
        let id = self.client().share(files, None);
        self.creating.set(Some(Creating { id, files: listed }));
        self.show(Route::Share(None));
    }

    /// Opens what was typed or pasted: a share link, a magnet link or an info-hash.
    pub fn open_text(self, text: &str) {
        let text = text.trim();
        let link = match text.split_once('#') {
            Some((_, fragment)) if !text.starts_with("magnet:") && !fragment.is_empty() => fragment,
            _ => text,
        };
        self.show(Route::Link(link.to_owned()));
    }

    fn open_torrent(self, file: web_sys::File) {
        spawn_local(async move {
            let Ok(buffer) = JsFuture::from(file.array_buffer()).await else {
                self.say(text::UNREADABLE);
                return;
            };
            match self.client().open_torrent(js_sys::Uint8Array::new(&buffer).to_vec()).await {
                Ok(link) => self.show(Route::Link(link)),
                Err(reason) => self.say(reason),
            }
        });
    }

    /// Goes to a view.
    pub fn show(self, route: Route) {
        document::go(&route.fragment());
        // As the browser has it, which may have escaped some of it: so that `hashchange` brings nothing new.
        self.route.set(Route::parse(&document::fragment()));
    }

    /// Follows all that is being hashed. What is in view goes on at its own address once it is a torrent, without a
    /// step in the history; what another drop has taken the place of is in the list of transfers then, or is said to
    /// have failed. Either way it is taken off the list.
    pub fn follow_creations(self) {
        let creations = RwSignal::from(self.client().state().creations.clone());
        // The list holds it until the worker has heard.
        let settled = StoredValue::new(BTreeSet::new());
        Effect::new(move |_| {
            let shown = self.creating.with(|creating| creating.as_ref().map(|creating| creating.id));
            let looking = matches!(self.route.get(), Route::Share(None));
            for one in creations.get() {
                let in_view = shown == Some(one.id);
                match one.state {
                    CreationState::Hashing => continue,
                    CreationState::Failed { .. } if in_view && looking => continue,
                    _ if settled.with_value(|settled| settled.contains(&one.id)) => continue,
                    CreationState::Done { info_hash } if in_view => self.shared(info_hash),
                    CreationState::Done { .. } => self.say(text::shared_meanwhile(&one.name)),
                    CreationState::Failed { reason } => {
                        self.client().tell(Level::Error, text::not_shared(&one.name, &reason));
                    }
                }
                settled.update_value(|settled| {
                    settled.insert(one.id);
                });
                self.client().cancel(one.id);
                if in_view {
                    self.creating.set(None);
                }
            }
        });
    }

    fn shared(self, info_hash: InfoHash) {
        if matches!(self.route.get_untracked(), Route::Share(_)) {
            let route = Route::Share(Some(info_hash));
            document::replace_fragment(&route.fragment());
            self.route.set(route);
        }
    }

    /// Gives up what is being hashed.
    pub fn cancel_creation(self) {
        if let Some(creating) = self.creating.get_untracked() {
            self.client().cancel(creating.id);
            self.creating.set(None);
        }
    }

    /// Stops what runs, goes on with what stands still: what [`text::toggle`] says.
    pub fn toggle(self, info_hash: InfoHash, phase: Phase) {
        match phase {
            Phase::Paused | Phase::Error => self.client().resume(info_hash),
            _ => self.client().pause(info_hash),
        }
    }

    /// Takes a torrent off the list.
    pub fn remove(self, info_hash: InfoHash, erase: bool) {
        self.client().remove(info_hash, erase);
        self.histories.forget(info_hash);
        if self.current.get_untracked() == Some(info_hash) {
            self.show(Route::Share(None));
        }
    }

    /// Puts text on the clipboard and says so.
    pub fn copy(self, content: String, copied: &'static str) {
        spawn_local(async move {
            let line = if document::copy(&content).await { copied } else { text::NO_CLIPBOARD };
            self.say(line);
        });
    }
}
