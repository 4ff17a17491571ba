//! Saving: the browser's own download of a file that lies on the disk already.
//!
//! The service worker keeps nothing. Asked for `/save/<token>/<name>`, it asks every tab of this origin who owns the
//! token; the one that does answers with the file, and the service worker answers with the file as a body of exact
//! length. So it may be stopped and started at any time, and nobody who does not know the 128 random bits gets
//! anything. Without a service worker it is `a[download]` of an object URL, which streams from the disk as well.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use data_encoding::HEXLOWER;
use gloo_timers::callback::Timeout;
use gloo_timers::future::TimeoutFuture;
use js_sys::{Function, Object};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, HtmlAnchorElement, HtmlElement, HtmlIFrameElement, MessageEvent, MessagePort, Url};

use crate::platform::listener::Listener;
use crate::platform::{JsError, scope};

/// Saves of which the token is kept once the service worker has asked for it: the browser may ask again, for the rest
/// of one that was paused. The oldest goes first.
const ASKED_MAX: usize = 64;

/// A service worker that has not asked by then does not work; the other way is taken.
const ASKED_WITHIN_MS: u32 = 4_000;

/// Between two downloads by `a[download]`: browsers drop some of many at once.
const BETWEEN_ANCHORS_MS: u32 = 300;

/// An object URL and the elements of a download live that long: the browser has taken what it needs by then.
const LINGER_MS: u32 = 120_000;

/// Offers files to the browser's download.
#[derive(Clone)]
pub(super) struct Saver {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Saves that wait for the one before them: only one at a time is offered and not yet asked for.
    waiting: RefCell<VecDeque<Begin>>,
    /// Whether somebody has the turn.
    taken: Cell<bool>,
    /// What was offered: those asked for, oldest first, and at most one that was not.
    offered: RefCell<VecDeque<Offered>>,
    /// `None` until the service worker is active.
    listener: RefCell<Option<Listener>>,
}

/// Begins a save whose turn it is: gets the file, and offers it.
type Begin = Box<dyn FnOnce(Turn)>;

struct Offered {
    token: String,
    name: String,
    blob: Blob,
    /// What was sent there.
    frame: HtmlIFrameElement,
    /// Until the service worker asks.
    turn: Option<Turn>,
}

/// The right to offer a file. The next save begins when it is dropped.
pub(super) struct Turn {
    shared: Rc<Shared>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.taken.set(false);
        begin_next(&self.shared);
    }
}

/// Begins the save that has waited longest, unless one has the turn.
fn begin_next(shared: &Rc<Shared>) {
    if shared.taken.get() {
        return;
    }
    let next = shared.waiting.borrow_mut().pop_front();
    if let Some(begin) = next {
        shared.taken.set(true);
        begin(Turn { shared: Rc::clone(shared) });
    }
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

    /// Calls `begin` when all saves before this one were asked for: with the turn, to be given to [`Turn::offer`].
    pub(super) fn queue(&self, begin: impl FnOnce(Turn) + 'static) {
        self.shared.waiting.borrow_mut().push_back(Box::new(begin));
        begin_next(&self.shared);
    }
}

impl Turn {
    /// Gives a file to the browser's download under this name.
    pub(super) fn offer(self, name: &str, blob: Blob) -> Result<(), JsError> {
        if self.shared.listener.borrow().is_none() {
            anchor(name, &blob)?;
            spawn_local(async move {
                TimeoutFuture::new(BETWEEN_ANCHORS_MS).await;
                drop(self);
            });
            return Ok(());
        }
        let token = HEXLOWER.encode(&scope::random_bytes::<16>()?);
        let frame = frame(&format!("/save/{token}/{}", js_sys::encode_uri_component(name)))?;
        let shared = Rc::clone(&self.shared);
        let offered = Offered { token: token.clone(), name: name.to_owned(), blob, frame, turn: Some(self) };
        shared.offered.borrow_mut().push_back(offered);
        spawn_local(async move {
            TimeoutFuture::new(ASKED_WITHIN_MS).await;
            shared.fall_back(&token);
        });
        Ok(())
    }
}

impl Shared {
    /// The service worker wants to know who owns a token.
    fn asked(&self, event: &MessageEvent) {
        let data = event.data();
        let Some(token) = scope::property(&data, "save").as_string() else { return };
        let Ok(port) = event.ports().get(0).dyn_into::<MessagePort>() else { return };
        let answer = Object::new();
        let mut turn = None;
        {
            let mut offered = self.offered.borrow_mut();
            if let Some(ours) = offered.iter_mut().find(|ours| ours.token == token) {
                set(&answer, "file", &ours.blob);
                set(&answer, "name", &JsValue::from_str(&ours.name));
                turn = ours.turn.take();
            }
            let asked = offered.iter().filter(|offered| offered.turn.is_none()).count();
            if asked > ASKED_MAX
                && let Some(oldest) = offered.iter().position(|offered| offered.turn.is_none())
            {
                offered.remove(oldest);
            }
        }
        // A service worker that stopped meanwhile asks again when it is started again.
        let _ = port.post_message(&answer);
        // Begins the next save, which offers: nothing may be borrowed.
        drop(turn);
    }

    /// The service worker has had its time: unless it asked, the file goes the other way, and this one is closed. It
    /// would save the file a second time if it came after all.
    fn fall_back(&self, token: &str) {
        let late = {
            let mut offered = self.offered.borrow_mut();
            let at = offered.iter().position(|offered| offered.token == token && offered.turn.is_some());
            at.and_then(|at| offered.remove(at))
        };
        let Some(late) = late else { return };
        late.frame.remove();
        if let Err(error) = anchor(&late.name, &late.blob) {
            leptos::logging::error!("the file could not be saved: {error}");
        }
    }
}

fn set(object: &Object, name: &str, value: &JsValue) {
    // A plain object takes any property.
    let _ = js_sys::Reflect::set(object, &JsValue::from_str(name), value);
}

/// A navigation that becomes a download: unlike `a[download]`, it goes through the service worker in every browser.
fn frame(url: &str) -> Result<HtmlIFrameElement, JsError> {
    let frame: HtmlIFrameElement = element("iframe")?.unchecked_into();
    frame.set_hidden(true);
    frame.set_src(url);
    append(&frame)?;
    let lingering = frame.clone();
    Timeout::new(LINGER_MS, move || lingering.remove()).forget();
    Ok(frame)
}

/// A download by an object URL.
pub(crate) fn anchor(name: &str, blob: &Blob) -> Result<(), JsError> {
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
