//! One-shot timers and yielding to the event loop.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use futures_channel::oneshot;
use gloo_timers::callback::Timeout;
use wasm_bindgen::JsValue;
use web_sys::{Event, MessageChannel};

use super::JsError;
use super::listener::Listener;

/// A deadline that can be moved; the callback is made once.
pub struct Alarm {
    callback: Rc<dyn Fn()>,
    armed: Option<(u64, Timeout)>,
    rung: Rc<Cell<bool>>,
}

impl Alarm {
    /// An alarm that is not armed.
    pub fn new(callback: impl Fn() + 'static) -> Self {
        Self { callback: Rc::new(callback), armed: None, rung: Rc::default() }
    }

    /// Rings once, `millis` from now, for the deadline named `key`; replaces what was armed, unless that has the same
    /// key and has not rung.
    pub fn arm(&mut self, key: u64, millis: u32) {
        if !self.rung.get() && self.armed.as_ref().is_some_and(|(armed, _)| *armed == key) {
            return;
        }
        self.rung = Rc::default();
        let (callback, rung) = (Rc::clone(&self.callback), Rc::clone(&self.rung));
        let ring = move || {
            rung.set(true);
            callback();
        };
        self.armed = Some((key, Timeout::new(millis, ring)));
    }

    /// Never rings, until armed again.
    pub fn disarm(&mut self) {
        self.armed = None;
    }
}

/// Calls back in a task of its own, as soon as the event loop comes round: what `setTimeout(0)` would be without its
/// four milliseconds.
pub struct Yielder {
    channel: MessageChannel,
    _listener: Listener,
}

impl Yielder {
    /// A yielder that calls `callback` once for each [`Yielder::schedule`].
    pub fn new(callback: impl Fn() + 'static) -> Result<Self, JsError> {
        let channel = MessageChannel::new()?;
        let listener = Listener::new(&channel.port1(), "message", move |_: Event| callback())?;
        channel.port1().start();
        Ok(Self { channel, _listener: listener })
    }

    /// Asks for one call.
    pub fn schedule(&self) {
        // Only a message that cannot be cloned makes this fail.
        let _ = self.channel.port2().post_message(&JsValue::NULL);
    }
}

type Waiters = Rc<RefCell<Vec<oneshot::Sender<()>>>>;

thread_local! {
    static BREATHERS: Option<(Yielder, Waiters)> = {
        let waiters: Waiters = Rc::default();
        let woken = Rc::clone(&waiters);
        let yielder = Yielder::new(move || {
            for waiter in woken.borrow_mut().drain(..) {
                // A waiter that was dropped needs no waking.
                let _ = waiter.send(());
            }
        });
        yielder.ok().map(|yielder| (yielder, waiters))
    };
}

/// Resolves after the event loop has had a turn.
pub fn breathe() -> impl Future<Output = ()> {
    let (sender, receiver) = oneshot::channel();
    BREATHERS.with(|breathers| match breathers {
        Some((yielder, waiters)) => {
            waiters.borrow_mut().push(sender);
            yielder.schedule();
        }
        // Without message channels there is nothing to wait for; dropping the sender resolves at once.
        None => drop(sender),
    });
    async move {
        let _ = receiver.await;
    }
}
