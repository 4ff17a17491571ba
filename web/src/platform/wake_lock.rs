//! The screen's wake lock, bound by hand: web-sys has it behind its unstable flag only.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::{JsError, scope};

/// Keeps the screen on while it is wanted: a phone that sleeps stops what runs. Where the browser has no such lock, or
/// refuses it (battery saving), nothing happens.
#[derive(Clone, Default)]
pub struct WakeLock {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    wanted: Cell<bool>,
    asking: Cell<bool>,
    held: RefCell<Option<JsValue>>,
}

impl WakeLock {
    /// Takes the lock, or gives it back. To be said again when the page becomes visible: the browser takes it away from
    /// a hidden one.
    pub fn set(&self, wanted: bool) {
        self.shared.wanted.set(wanted);
        if !wanted {
            self.shared.let_go();
        } else if !self.shared.asking.replace(true) {
            let shared = Rc::clone(&self.shared);
            spawn_local(async move {
                // Refused is as good as not there: the screen goes dark as it would have.
                let granted = request().await.ok();
                shared.asking.set(false);
                shared.held.replace(granted);
                if !shared.wanted.get() {
                    shared.let_go();
                }
            });
        }
    }
}

impl Shared {
    fn let_go(&self) {
        let Some(held) = self.held.borrow_mut().take() else { return };
        if let Ok(release) = scope::property(&held, "release").dyn_into::<Function>() {
            // Answers a promise that only resolves, also for a lock that the browser took back already.
            let _ = release.call0(&held);
        }
    }
}

async fn request() -> Result<JsValue, JsError> {
    let locks = scope::property(&scope::navigator(), "wakeLock");
    if !locks.is_object() {
        return Err(JsError::unexpected("expected navigator.wakeLock"));
    }
    let request: Function = scope::property(&locks, "request")
        .dyn_into()
        .map_err(|_| JsError::unexpected("expected navigator.wakeLock.request"))?;
    let asked: Promise = request.call1(&locks, &"screen".into())?.unchecked_into();
    Ok(JsFuture::from(asked).await?)
}
