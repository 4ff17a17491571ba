//! A file that nobody has for P2P yet, given by a tab of this browser.

use std::cell::RefCell;

use futures_channel::oneshot;
use leptos::prelude::*;
use leptos::reactive::effect::ImmediateEffect;
use send_wrapper::SendWrapper;
use shared::engine::Phase;
use shared::id::InfoHash;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::origins;
use super::p2p::until;
use crate::client::{Client, CreationId, CreationState, SharedFile};
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
    let id = client.share(vec![SharedFile { path: vec![file.name()], file }], None);
    let info_hash = created(client, id).await?;
    until(client, info_hash, |view| match view.torrent.phase {
        Phase::Seeding => Some(Ok(view.torrent.magnet.clone())),
        Phase::Error => Some(Err(view.failure.clone().unwrap_or_else(|| text::BROKEN_OFF.to_owned()))),
        _ => None,
    })
    .await
}

/// What became of a creation.
async fn created(client: &Client, id: CreationId) -> Result<InfoHash, String> {
    let (tell, told) = oneshot::channel();
    let tell = SendWrapper::new(RefCell::new(Some(tell)));
    let creations = client.state().creations.clone();
    // Whoever tells the person takes it off the list at once: a later effect might not see how it ended.
    let watch = ImmediateEffect::new(move || {
        let ended = creations.with(|all| match &all.iter().find(|one| one.id == id)?.state {
            CreationState::Hashing => None,
            CreationState::Done { info_hash } => Some(Ok(*info_hash)),
            CreationState::Failed { reason } => Some(Err(reason.clone())),
        });
        if let Some(ended) = ended
            && let Some(tell) = tell.borrow_mut().take()
        {
            let _ = tell.send(ended);
        }
    });
    let ended = told.await.unwrap_or_else(|_| Err(text::BROKEN_OFF.to_owned()));
    drop(watch);
    ended
}
