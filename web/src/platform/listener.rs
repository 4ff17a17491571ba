//! Event listeners that unregister themselves.

use wasm_bindgen::JsCast as _;
use wasm_bindgen::convert::FromWasmAbi;
use wasm_bindgen::prelude::Closure;
use web_sys::EventTarget;

use super::JsError;

/// A listener on an event target, removed when dropped. Whoever owns the target owns its listeners.
pub struct Listener {
    target: EventTarget,
    event: &'static str,
    callback: Box<dyn AsFunction>,
}

impl Listener {
    /// Calls `callback` on each `event` of `target` from now on.
    pub fn new<E: FromWasmAbi + 'static>(
        target: &EventTarget,
        event: &'static str,
        callback: impl FnMut(E) + 'static,
    ) -> Result<Self, JsError> {
        let callback = Closure::<dyn FnMut(E)>::new(callback);
        target.add_event_listener_with_callback(event, callback.as_ref().unchecked_ref())?;
        Ok(Self { target: target.clone(), event, callback: Box::new(callback) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Fails only for a target that is no event target, and then it was never added.
        let _ = self.target.remove_event_listener_with_callback(self.event, self.callback.function());
    }
}

/// Hides the event's type, so that listeners of different events live in one list.
trait AsFunction {
    fn function(&self) -> &js_sys::Function;
}

impl<E: FromWasmAbi + 'static> AsFunction for Closure<dyn FnMut(E)> {
    fn function(&self) -> &js_sys::Function {
        self.as_ref().unchecked_ref()
    }
}
