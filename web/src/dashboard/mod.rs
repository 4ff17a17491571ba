//! The dashboard: what the tracker tells of itself, to who may see it.

pub mod feed;
pub mod layout;
pub mod model;

use std::collections::VecDeque;

use js_sys::Uint8Array;
use leptos::prelude::*;
use shared::id::InfoHash;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, Request, RequestCache, RequestCredentials,
    RequestInit, Response,
};

use self::feed::{Message, Parser};
use self::model::{Beginning, EVENTS, Event, Numbers, Past, Swarm};
use crate::document;
use crate::platform::JsError;
use crate::platform::scope::{self, property};

/// Wait before a feed that broke off is opened again.
const AGAIN_MS: u32 = 2_000;

/// Where the operator's token is kept: in this tab, until it is closed.
const TOKEN: &str = "dashboard-token";

/// How it stands with the feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// It is being opened.
    #[default]
    Opening,
    /// Numbers come.
    Live,
    /// It broke off and is tried again.
    Lost,
    /// The operator's token is asked for; whether one was given that is wrong.
    Token {
        /// It was.
        wrong: bool,
    },
    /// It is not for this browser, in the server's words.
    Refused(String),
}

/// What the view shows. Lives as long as the view.
#[derive(Clone, Copy)]
pub struct Dashboard {
    /// The feed.
    pub link: RwSignal<Link>,
    /// The last two minutes.
    pub past: RwSignal<Past>,
    /// Newest first.
    pub events: RwSignal<VecDeque<Event>>,
    /// The swarm that was chosen, as text; empty is the largest.
    pub chosen: RwSignal<String>,
    /// The swarm that is shown.
    pub swarm: RwSignal<Option<Swarm>>,
    /// Why there is none.
    pub swarm_error: RwSignal<Option<String>>,
    open: StoredValue<Option<AbortController>, LocalStorage>,
    asking: StoredValue<bool>,
}

impl Dashboard {
    /// Opens the feed, until the component that calls this is gone.
    pub fn open() -> Self {
        let dashboard = Self {
            link: RwSignal::new(Link::Opening),
            past: RwSignal::new(Past::default()),
            events: RwSignal::new(VecDeque::new()),
            chosen: RwSignal::new(String::new()),
            swarm: RwSignal::new(None),
            swarm_error: RwSignal::new(None),
            open: StoredValue::new_local(AbortController::new().ok()),
            asking: StoredValue::new(false),
        };
        dashboard.follow();
        Effect::new(move |_| {
            dashboard.chosen.track();
            dashboard.swarm.set(None);
            dashboard.look();
        });
        let abort = dashboard.open.get_value();
        let abort = send_wrapper::SendWrapper::new(abort);
        on_cleanup(move || {
            if let Some(abort) = &*abort {
                abort.abort();
            }
        });
        dashboard
    }

    /// Takes the operator's token and opens the feed with it.
    pub fn give_token(self, token: &str) {
        keep_token(token);
        self.link.set(Link::Opening);
        self.follow();
    }

    /// The swarm that is shown or asked for.
    pub fn shown(self) -> Option<InfoHash> {
        let chosen = self.chosen.get();
        let largest = || {
            self.past.with(|past| {
                past.last().and_then(|now| now.swarms.first().map(|swarm| swarm.info_hash.clone()))
            })
        };
        let hash = if chosen.trim().is_empty() { largest()? } else { chosen };
        hash.trim().parse().ok()
    }

    fn follow(self) {
        let signal = self.open.get_value().map(|abort| abort.signal());
        spawn_local(async move {
            loop {
                let end = self.read(signal.as_ref()).await;
                if signal.as_ref().is_some_and(web_sys::AbortSignal::aborted) {
                    return;
                }
                match end {
                    Ok(()) | Err(End::Broken) => {
                        self.link.try_set(Link::Lost);
                    }
                    Err(End::Refused(link)) => {
                        self.link.try_set(link);
                        return;
                    }
                }
                document::sleep(AGAIN_MS).await;
            }
        });
    }

    /// Reads the feed to its end.
    async fn read(self, signal: Option<&web_sys::AbortSignal>) -> Result<(), End> {
        let response = ask("/api/live", signal).await.map_err(|_| End::Broken)?;
        if !response.ok() {
            return Err(refused(&response).await);
        }
        let body = response.body().ok_or(End::Broken)?;
        let reader: ReadableStreamDefaultReader = body.get_reader().dyn_into().map_err(|_| End::Broken)?;
        let mut parser = Parser::default();
        loop {
            let step = JsFuture::from(reader.read()).await.map_err(|_| End::Broken)?;
            if property(&step, "done").is_truthy() {
                return Ok(());
            }
            let bytes = property(&step, "value").unchecked_into::<Uint8Array>().to_vec();
            for message in parser.take(&bytes).ok_or(End::Broken)? {
                self.take(&message);
            }
        }
    }

    fn take(self, message: &Message) {
        match message.event.as_str() {
            "begin" => {
                let Ok(beginning) = serde_json::from_str::<Beginning>(&message.data) else { return };
                self.past.maybe_update(|past| {
                    *past = Past::default();
                    beginning.history.into_iter().for_each(|numbers| past.push(numbers));
                    true
                });
                self.events.set(beginning.events.into_iter().rev().collect());
                self.link.set(Link::Live);
            }
            "tick" => {
                let Ok(mut numbers) = serde_json::from_str::<Numbers>(&message.data) else { return };
                let events = std::mem::take(&mut numbers.events);
                if !events.is_empty() {
                    self.events.update(|all| {
                        events.into_iter().for_each(|event| all.push_front(event));
                        all.truncate(EVENTS);
                    });
                }
                self.past.update(|past| past.push(numbers));
                self.look();
            }
            _ => {}
        }
    }

    /// Asks for the swarm that is shown, unless it is being asked for.
    fn look(self) {
        let chosen = self.chosen.get_untracked();
        let Some(info_hash) = untrack(move || self.shown()) else {
            let wrong = !chosen.trim().is_empty();
            self.swarm_error.set(wrong.then(|| crate::text::dashboard::NO_HASH.to_owned()));
            return;
        };
        if self.link.get_untracked() != Link::Live || self.asking.get_value() {
            return;
        }
        self.asking.set_value(true);
        spawn_local(async move {
            let found = swarm(info_hash).await;
            if self.asking.try_set_value(false).is_some() {
                // The view is gone.
                return;
            }
            // Another may have been chosen meanwhile.
            if self.chosen.get_untracked() != chosen {
                return self.look();
            }
            match found {
                Ok(swarm) => {
                    self.swarm_error.set(None);
                    self.swarm.set(Some(swarm));
                }
                Err(error) => self.swarm_error.set(Some(error.message)),
            }
        });
    }
}

/// Why a feed ended.
enum End {
    Broken,
    Refused(Link),
}

async fn refused(response: &Response) -> End {
    let said = match response.text() {
        Ok(text) => JsFuture::from(text).await.ok().and_then(|text| text.as_string()).unwrap_or_default(),
        Err(_) => String::new(),
    };
    match response.status() {
        401 => End::Refused(Link::Token { wrong: token().is_some() }),
        403 | 404 | 421 => End::Refused(Link::Refused(said.trim().to_owned())),
        _ => End::Broken,
    }
}

async fn swarm(info_hash: InfoHash) -> Result<Swarm, JsError> {
    let response = ask(&["/api/swarms/", &info_hash.to_string()].concat(), None).await?;
    let text = JsFuture::from(response.text()?).await?.as_string().unwrap_or_default();
    if !response.ok() {
        return Err(JsError::unexpected(text));
    }
    serde_json::from_str(&text).map_err(|error| JsError::unexpected(error.to_string()))
}

/// A request to our own server, with the operator's token if there is one.
async fn ask(path: &str, signal: Option<&web_sys::AbortSignal>) -> Result<Response, JsError> {
    let init = RequestInit::new();
    init.set_cache(RequestCache::NoStore);
    init.set_credentials(RequestCredentials::SameOrigin);
    init.set_signal(signal);
    if let Some(token) = token() {
        let headers = Headers::new()?;
        headers.set("authorization", &["Bearer ", &token].concat())?;
        init.set_headers(&headers);
    }
    let request = Request::new_with_str_and_init(path, &init)?;
    Ok(JsFuture::from(scope::window()?.fetch_with_request(&request)).await?.unchecked_into())
}

/// The operator's token, as far as this tab knows it.
pub fn token() -> Option<String> {
    let kept = document::window().session_storage().ok().flatten()?.get_item(TOKEN).ok().flatten()?;
    (!kept.is_empty()).then_some(kept)
}

fn keep_token(token: &str) {
    let storage: Result<Option<web_sys::Storage>, JsValue> = document::window().session_storage();
    if let Ok(Some(storage)) = storage {
        // Full or forbidden storage loses it, and the server asks again.
        let _ = storage.set_item(TOKEN, token.trim());
    }
}

/// Instructions for Prometheus to collect this server's numbers.
pub fn scrape_config() -> String {
    let origin = document::origin();
    let (scheme, target) = origin.split_once("://").unwrap_or(("http", origin.as_str()));
    scrape_config_of(scheme, target)
}

fn scrape_config_of(scheme: &str, target: &str) -> String {
    let port = if target.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        ""
    } else if scheme == "https" {
        ":443"
    } else {
        ":80"
    };
    [
        "scrape_configs:\n  - job_name: piecemeal\n    scrape_interval: 5s\n    scheme: ",
        scheme,
        "\n    static_configs:\n      - targets: [\"",
        target,
        port,
        "\"]\n    # Where the tracker was started with --metrics-token:\n    # authorization: { credentials: TOKEN }\n",
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_is_told_host_and_port() {
        for (scheme, target, expected) in [
            ("http", "localhost:8080", "[\"localhost:8080\"]"),
            ("https", "share.example", "[\"share.example:443\"]"),
            ("http", "[::1]", "[\"[::1]:80\"]"),
            ("http", "[::1]:8080", "[\"[::1]:8080\"]"),
        ] {
            let config = scrape_config_of(scheme, target);
            assert!(config.contains(expected) && config.contains(&["scheme: ", scheme].concat()), "{config}");
        }
    }
}
