//! The engine worker: pump, clock, and the hands of the engine.

mod ask;
mod connections;
mod creation;
mod effects;
mod events;
mod fetches;
mod host;
mod publish;
mod pump;
mod stores;

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use web_sys::MessageEvent;

use crate::hash;
use crate::platform::listener::Listener;
use crate::platform::message::{self, Port as _};
use crate::platform::{JsError, scope};
use crate::protocol::{FromWorker, ToWorker};
use pump::Pump;

thread_local! {
    /// Lives as long as the worker.
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Starts whichever role this worker was made for.
pub fn start() {
    let started = match scope::worker() {
        Ok(worker) if worker.name() == hash::protocol::NAME => hash::worker::start(),
        Ok(_) => start_engine(),
        Err(error) => Err(error),
    };
    match started {
        Ok(listener) => LISTENER.with(|slot| drop(slot.replace(Some(listener)))),
        Err(error) => report(&error.to_string()),
    }
}

/// Hears the page. The engine itself begins with [`ToWorker::Start`].
fn start_engine() -> Result<Listener, JsError> {
    std::panic::set_hook(Box::new(|panic| {
        console_error_panic_hook::hook(panic);
        report(&format!("the engine stopped: {panic}"));
    }));
    let page = scope::worker()?;
    let pump = Pump::new()?;
    let probed = Rc::new(std::cell::Cell::new(false));
    let listener =
        Listener::new(&page, "message", move |event: MessageEvent| match message::open(event.data()) {
            Ok((ToWorker::ProbeChannel, handles)) => {
                probed.set(handles.first().is_some_and(JsValue::is_instance_of_channel));
            }
            Ok((ToWorker::Start(options), _)) => {
                if let Err(error) = host::begin(&pump, options, probed.get()) {
                    report(&error.to_string());
                }
            }
            Ok((ToWorker::Channel { conn }, handles)) => {
                connections::hear_channel(&pump, conn, handles.into_iter().next());
            }
            Ok((message, handles)) => pump.run(move |host| host.ask(message, handles)),
            Err(error) => report(&format!("page and engine do not fit together: {error}")),
        })?;
    page.post(&FromWorker::Loaded, &[], &[])?;
    Ok(listener)
}

trait IsChannel {
    fn is_instance_of_channel(&self) -> bool;
}

impl IsChannel for JsValue {
    fn is_instance_of_channel(&self) -> bool {
        // A browser whose workers have no such class has none to give.
        let class = scope::property(&js_sys::global(), "RTCDataChannel");
        class.is_function() && wasm_bindgen::JsCast::is_instance_of::<web_sys::RtcDataChannel>(self)
    }
}

/// Tells the page that the engine cannot go on.
fn report(reason: &str) {
    if let Ok(page) = scope::worker() {
        // The page also sees the worker's error event.
        let _ = page.post(&FromWorker::Died { reason: reason.to_owned() }, &[], &[]);
    }
}
