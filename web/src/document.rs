//! The document of this tab: its address, its title, what the browser keeps for it.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use crate::platform::scope::property;

/// The window of the page. The page runs nowhere else, so this fails only in tests outside a browser.
#[expect(clippy::expect_used, reason = "without a window there is no page to draw")]
pub fn window() -> web_sys::Window {
    web_sys::window().expect("the page runs in a window")
}

fn document() -> Option<web_sys::Document> {
    window().document()
}

/// The fragment of the address, with its `#`, as it stands there (percent-encoded where the browser does so).
pub fn fragment() -> String {
    window().location().hash().unwrap_or_default()
}

/// `https://host:port`.
pub fn origin() -> String {
    window().location().origin().unwrap_or_default()
}

/// The host's name alone.
pub fn hostname() -> String {
    window().location().hostname().unwrap_or_default()
}

/// Whether what is typed here reaches the server encrypted, or does not leave this machine.
pub fn is_secure() -> bool {
    property(&js_sys::global(), "isSecureContext").is_truthy()
}

/// Goes to another fragment; the browser tells by `hashchange`.
pub fn go(fragment: &str) {
    // Refused only for addresses that cannot be parsed, which a fragment cannot make.
    let _ = window().location().set_hash(fragment);
}

/// Puts another fragment into the address without a step in the history and without `hashchange`.
pub fn replace_fragment(fragment: &str) {
    let address = ["#", fragment].concat();
    if let Ok(history) = window().history() {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address));
    }
}

/// A choice that the browser kept, if it keeps any.
pub fn kept(key: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(key).ok().flatten()
}

/// Keeps a choice; empty forgets it. Silently lost where the browser keeps nothing: it still holds for this tab.
pub fn keep(key: &str, value: &str) {
    let Ok(Some(storage)) = window().local_storage() else { return };
    let _ = if value.is_empty() { storage.remove_item(key) } else { storage.set_item(key, value) };
}

/// Sets an attribute of the root element; empty removes it.
pub fn set_root_attribute(name: &str, value: &str) {
    let Some(root) = document().and_then(|document| document.document_element()) else { return };
    let _ = if value.is_empty() { root.remove_attribute(name) } else { root.set_attribute(name, value) };
}

/// Sets the title of the tab.
pub fn set_title(title: &str) {
    if let Some(document) = document() {
        document.set_title(title);
    }
}

/// Sets the tab's icon to the one with this many of nine cells filled.
pub fn set_icon(cells: u64) {
    let Some(link) = document().and_then(|document| document.get_element_by_id("icon")) else { return };
    let _ = link.set_attribute("href", &["/icons/", &cells.min(9).to_string(), ".svg"].concat());
}

/// An element of the document by its id.
pub fn element(id: &str) -> Option<web_sys::HtmlElement> {
    document()?.get_element_by_id(id)?.dyn_into().ok()
}

/// Milliseconds since the page was opened.
pub fn now_ms() -> u64 {
    window().performance().map_or(0.0, |performance| performance.now()) as u64
}

/// Whether nobody sees the tab.
pub fn hidden() -> bool {
    document().is_some_and(|document| document.hidden())
}

/// Whether the person asked for less motion.
pub fn reduced_motion() -> bool {
    matches("(prefers-reduced-motion: reduce)")
}

fn matches(query: &str) -> bool {
    window().match_media(query).ok().flatten().is_some_and(|list| list.matches())
}

/// Calls back whenever the system changes between light and dark, for as long as the page lives.
pub fn on_scheme_change(changed: impl Fn() + 'static) {
    let Some(list) = window().match_media("(prefers-color-scheme: dark)").ok().flatten() else { return };
    let callback = Closure::<dyn Fn()>::new(changed);
    list.set_onchange(Some(callback.as_ref().unchecked_ref()));
    // Lives as long as the page: there is nothing to give it back to.
    callback.forget();
}

/// The element that has the keyboard.
pub fn focused() -> Option<web_sys::Element> {
    document()?.active_element()
}

/// Whether the browser believes that it has a network.
pub fn online() -> bool {
    window().navigator().on_line()
}

/// Waits.
pub async fn sleep(ms: u32) {
    gloo_timers::future::TimeoutFuture::new(ms).await;
}

/// Puts text on the clipboard. False where the browser has none for us (no secure context) or refuses.
pub async fn copy(text: &str) -> bool {
    let navigator = window().navigator();
    // Without a secure context the property is missing, whatever its type says.
    if property(&navigator, "clipboard").is_undefined() {
        return copy_by_command(text);
    }
    wasm_bindgen_futures::JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
        || copy_by_command(text)
}

/// Whether the system has a way to hand a link to another program, and gives it to the page.
pub fn can_share() -> bool {
    property(&window().navigator(), "share").is_function()
}

/// Opens the system's own dialog for handing on a link. False where it refuses; a person who closes it has not refused.
pub async fn share(title: &str, url: &str) -> bool {
    let navigator = window().navigator();
    let Ok(share) = property(&navigator, "share").dyn_into::<js_sys::Function>() else { return false };
    let what = js_sys::Object::new();
    for (key, value) in [("title", title), ("url", url)] {
        // A plain object takes any property.
        let _ = js_sys::Reflect::set(&what, &key.into(), &value.into());
    }
    let Ok(asked) = share.call1(&navigator, &what) else { return false };
    match wasm_bindgen_futures::JsFuture::from(asked.unchecked_into::<js_sys::Promise>()).await {
        Ok(_) => true,
        Err(error) => property(&error, "name") == "AbortError",
    }
}

/// The older way, which needs no secure context: a selection and the copy command.
fn copy_by_command(text: &str) -> bool {
    let Some(document) = document() else { return false };
    let Some(body) = document.body() else { return false };
    let Ok(area) = document.create_element("textarea") else { return false };
    let Ok(area) = area.dyn_into::<web_sys::HtmlTextAreaElement>() else { return false };
    area.set_value(text);
    area.set_class_name("offscreen");
    let _ = body.append_child(&area);
    area.select();
    let done = document
        .dyn_into::<web_sys::HtmlDocument>()
        .is_ok_and(|document| document.exec_command("copy").unwrap_or(false));
    area.remove();
    done
}
