//! Which storage directories this tab holds, remembered over a reload of the tab (and only of this tab), so that the
//! reloaded one waits for the locks of the one it replaces instead of starting afresh beside it.

use shared::id::InfoHash;

use crate::platform::scope;

const KEY: &str = "piecemeal-held";

/// Remembers the directories held now.
pub(super) fn remember(held: &[(InfoHash, u32)]) {
    let Some(storage) = storage() else { return };
    // Without session storage a reload finds its directory in the list of interrupted transfers instead.
    if let Ok(text) = serde_json::to_string(held) {
        let _ = storage.set_item(KEY, &text);
    }
}

/// The directories that this tab held before it was reloaded.
pub(super) fn recall() -> Vec<(InfoHash, u32)> {
    let text = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
    // What does not parse was written by another version: nothing is held then.
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

fn storage() -> Option<web_sys::Storage> {
    scope::window().ok()?.session_storage().ok().flatten()
}
