//! Saving: the browser's own download of a file that lies on the disk already.
//!
//! The service worker keeps nothing. Asked for `/save/<token>/<name>`, it asks every tab of this origin who owns the
//! token; the one that does answers with the file, and the service worker answers with the file as a body of exact
//! length. So it may be stopped and started at any time, and nobody who does not know the 128 random bits gets
//! anything. Without a service worker it is `a[download]` of an object URL, which streams from the disk as well.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use data_encoding::HEXLOWER;
use gloo_timers::callback::Timeout;
use js_sys::{Function, Object};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, HtmlAnchorElement, HtmlElement, HtmlIFrameElement, MessageEvent, MessagePort, Url};

use crate::platform::listener::Listener;
use crate::platform::{JsError, scope};

/// Saves that may be going on at once, a paused one of the browser's download list included. The oldest goes first.
const OFFERED_MAX: usize = 64;

/// A service worker that has not asked by then does not work; the other way is taken.
const ASKED_WITHIN_MS: u32 = 4_000;

/// An object URL and the elements of a download live that long: the browser has taken what it needs by then.
const LINGER_MS: u32 = 120_000;

/// Offers files to the browser's download.
#[derive(Clone)]
pub(super) struct Saver {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    offered: RefCell<VecDeque<Offered>>,
    /// `None` until the service worker is active.
    listener: RefCell<Option<Listener>>,
}

struct Offered {
    token: String,
    name: String,
    blob: Blob,
    /// Takes the other way unless dropped before: when the service worker asks.
    fallback: Option<Timeout>,
}

impl Saver {
    pub(super) fn new() -> Self {
        Self { shared: Rc::default() }
    }

    /// Registers the service worker. Fails where there is none: not a secure context, a private window of some
    /// browsers, or refused by a setting.
    pub(super) async fn register(&self) -> Result<(), JsError> {
        let container = scope::property(&scope::navigator(), "serviceWorker");
        if container.is_undefined() {
            return Err(JsError::unexpected("expected navigator.serviceWorker"));
        }
        let container: web_sys::ServiceWorkerContainer = container.unchecked_into();
        JsFuture::from(container.register("/sw.js")).await?;
        JsFuture::from(container.ready()?).await?;
        let shared = Rc::clone(&self.shared);
        let listener = Listener::new(&container, "message", move |event: MessageEvent| shared.asked(&event))?;
        let start: Function = scope::property(&container, "startMessages").unchecked_into();
        start.call0(&container)?;
        self.shared.listener.replace(Some(listener));
        Ok(())
    }

    /// Gives a file to the browser's download under this name.
    pub(super) fn save(&self, name: &str, blob: Blob) -> Result<(), JsError> {
        if self.shared.listener.borrow().is_none() {
            return anchor(name, &blob);
        }
        let token = HEXLOWER.encode(&scope::random_bytes::<16>()?);
        let url = format!("/save/{token}/{}", js_sys::encode_uri_component(name));
        let fallback = {
            let (name, blob) = (name.to_owned(), blob.clone());
            Timeout::new(ASKED_WITHIN_MS, move || {
                if let Err(error) = anchor(&name, &blob) {
                    leptos::logging::error!("the file could not be saved: {error}");
                }
            })
        };
        let mut offered = self.shared.offered.borrow_mut();
        if offered.len() == OFFERED_MAX {
            offered.pop_front();
        }
        offered.push_back(Offered { token, name: name.to_owned(), blob, fallback: Some(fallback) });
        drop(offered);
        frame(&url)
    }
}

impl Shared {
    /// The service worker wants to know who owns a token.
    fn asked(&self, event: &MessageEvent) {
        let data = event.data();
        let Some(token) = scope::property(&data, "save").as_string() else { return };
        let Ok(port) = event.ports().get(0).dyn_into::<MessagePort>() else { return };
        let answer = Object::new();
        let mut offered = self.offered.borrow_mut();
        if let Some(ours) = offered.iter_mut().find(|ours| ours.token == token) {
            ours.fallback = None;
            set(&answer, "file", &ours.blob);
            set(&answer, "name", &JsValue::from_str(&ours.name));
        }
        // A service worker that stopped meanwhile asks again when it is started again.
        let _ = port.post_message(&answer);
    }
}

fn set(object: &Object, name: &str, value: &JsValue) {
    // A plain object takes any property.
    let _ = js_sys::Reflect::set(object, &JsValue::from_str(name), value);
}

/// A navigation that becomes a download: unlike `a[download]`, it goes through the service worker in every browser.
fn frame(url: &str) -> Result<(), JsError> {
    let frame: HtmlIFrameElement = element("iframe")?.unchecked_into();
    frame.set_hidden(true);
    frame.set_src(url);
    append(&frame)?;
    Timeout::new(LINGER_MS, move || frame.remove()).forget();
    Ok(())
}

/// A download by an object URL.
pub(super) fn anchor(name: &str, blob: &Blob) -> Result<(), JsError> {
    let url = Url::create_object_url_with_blob(blob)?;
    let anchor: HtmlAnchorElement = element("a")?.unchecked_into();
    anchor.set_href(&url);
    anchor.set_download(name);
    anchor.set_hidden(true);
    append(&anchor)?;
    anchor.click();
    anchor.remove();
    Timeout::new(LINGER_MS, move || {
        // An URL that is gone already needs no revoking.
        let _ = Url::revoke_object_url(&url);
    })
    .forget();
    Ok(())
}

fn element(name: &str) -> Result<HtmlElement, JsError> {
    let document = scope::window()?.document().ok_or_else(|| JsError::unexpected("expected a document"))?;
    Ok(document.create_element(name)?.unchecked_into())
}

fn append(element: &HtmlElement) -> Result<(), JsError> {
    let body = scope::window()?.document().and_then(|document| document.body());
    body.ok_or_else(|| JsError::unexpected("expected a body"))?.append_child(element)?;
    Ok(())
}
