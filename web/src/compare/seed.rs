//! A file that nobody has for P2P yet, given by a tab of this browser.

use leptos::prelude::*;
use shared::engine::Phase;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::origins;
use crate::client::{Backing, Client, SharedFile};
use crate::text::compare as text;

/// Fetches a file of the server's into this tab, shares it, and answers its magnet link once it is shared.
pub async fn of_server(client: &Client, path: &str, name: &str) -> Result<String, String> {
    let file = fetched(path, name).await.map_err(|_| text::BROKEN_OFF.to_owned())?;
    share(client, file).await
}

async fn fetched(path: &str, name: &str) -> Result<File, crate::platform::JsError> {
    let response = origins::get(path, None).await?;
    if !response.ok() {
        return Err(crate::platform::JsError::unexpected("no such file"));
    }
    // The browser keeps what is large on its disk.
    let blob: JsValue = JsFuture::from(response.blob()?).await?;
    Ok(File::new_with_blob_sequence(&js_sys::Array::of1(&blob).unchecked_into(), name)?)
}

/// Shares a file from this tab and answers its magnet link once it can be fetched.
pub async fn share(client: &Client, file: File) -> Result<String, String> {
    let (name, size) = (file.name(), file.size() as u64);
    client.share(vec![SharedFile { path: vec![name.clone()], file }], None);
    let (tell, told) = futures_channel::oneshot::channel();
    let tell = std::cell::RefCell::new(Some(tell));
    let state = client.state().clone();
    let owner = Owner::new();
    owner.with(|| {
        Effect::new(move |_| {
            let rows = state.transfers.get();
            let magnet = rows.iter().find_map(|row| {
                row.view.with(|view| {
                    let it = &view.torrent;
                    let same = it.total_bytes == size && it.name.as_deref() == Some(name.as_str());
                    let shared = view.backing == Backing::Source && it.phase == Phase::Seeding;
                    (same && shared).then(|| it.magnet.clone())
                })
            });
            if let Some(magnet) = magnet
                && let Some(tell) = tell.borrow_mut().take()
            {
                let _ = tell.send(magnet);
            }
        });
    });
    let magnet = told.await.map_err(|_| text::BROKEN_OFF.to_owned());
    owner.cleanup();
    magnet
}
