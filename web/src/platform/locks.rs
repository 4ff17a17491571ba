//! Web Locks, bound by hand: web-sys has them behind its unstable flag only.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::{JsError, scope};

#[wasm_bindgen]
extern "C" {
    type LockManager;
    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        callback: &Function,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn query(this: &LockManager) -> Result<Promise, JsValue>;
}

fn manager() -> Result<LockManager, JsError> {
    let manager = scope::property(&scope::navigator(), "locks");
    if manager.is_undefined() {
        return Err(JsError::unexpected("expected navigator.locks"));
    }
    Ok(manager.unchecked_into())
}

/// Names of all locks of this origin that some tab holds now. Looking takes none of them: who asks for one at this
/// moment gets it.
pub async fn held() -> Result<BTreeSet<String>, JsError> {
    let found = JsFuture::from(manager()?.query()?).await?;
    let held = Array::from(&scope::property(&found, "held"));
    Ok(held.iter().filter_map(|lock| scope::property(&lock, "name").as_string()).collect())
}

/// An exclusive lock of this origin, held until dropped, or until the tab is gone.
pub struct Lock {
    release: Function,
    _granted: Closure<dyn FnMut(JsValue) -> JsValue>,
}

impl Lock {
    /// Takes the lock if nobody holds it.
    pub async fn try_take(name: &str) -> Result<Option<Self>, JsError> {
        let manager = manager()?;
        let options = Object::new();
        Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE)?;

        let release: Rc<RefCell<Option<Function>>> = Rc::default();
        let (answer, answered) = oneshot::channel();
        let mut answer = Some(answer);
        let resolve = Rc::clone(&release);
        // The lock is held until the promise that the callback returns is settled.
        let granted = Closure::<dyn FnMut(JsValue) -> JsValue>::new(move |lock: JsValue| {
            let held = !lock.is_null();
            let promise = held.then(|| {
                Promise::new(&mut |on_release, _| {
                    resolve.replace(Some(on_release));
                })
            });
            if let Some(answer) = answer.take() {
                // Nobody waits when the request was given up; the lock then goes with the closure's owner.
                let _ = answer.send(held);
            }
            promise.map_or(JsValue::UNDEFINED, JsValue::from)
        });
        let request = manager.request(name, &options, granted.as_ref().unchecked_ref())?;
        let Ok(held) = answered.await else {
            JsFuture::from(request).await?;
            return Ok(None);
        };
        let release = release.borrow_mut().take();
        Ok(release.filter(|_| held).map(|release| Self { release, _granted: granted }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A resolver never throws.
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}
