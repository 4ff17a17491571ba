//! Keeps what is seeded what is published.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use peer::client::Add;
use peer::storage::Place;
use shared::engine::{Command, Event, Origin, Phase};
use shared::id::InfoHash;
use shared::limits;
use tokio::sync::broadcast::error::RecvError;
use tracing::{debug, info, warn};

use super::Seeder;
use super::stock::{Item, Step};
use crate::files::Candidate;
use crate::publication::{Publication, Status};
use crate::state::AppState;

/// What was written a moment ago may still be: it is left to the next look.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// Torrents come and go in steps no closer than this, whatever is asked for.
const STEP_INTERVAL: Duration = Duration::from_millis(200);

/// Until the tracker ends.
pub(crate) async fn keep(state: Arc<AppState>) {
    let Some(seeder) = &state.seeder else { return };
    let mut events = seeder.client.events();
    let mut looks = tokio::time::interval(seeder.look_interval);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = state.shutdown.cancelled() => return,
            _ = looks.tick() => look(&state, seeder).await,
            () = seeder.changed.notified() => tokio::time::sleep(STEP_INTERVAL).await,
            event = events.recv() => match event {
                Ok(Event::Removed(torrent)) => seeder.stock.lock().removed(&torrent),
                Ok(Event::Failed { torrent, failure }) => failed(&state, seeder, &torrent, &failure).await,
                Ok(_) => continue,
                Err(RecvError::Lagged(_)) => reconcile(&state, seeder).await,
                Err(RecvError::Closed) => return,
            },
        }
        carry_out(seeder).await;
    }
}

/// Finds files that changed or are gone, and hashes those that are new.
async fn look(state: &Arc<AppState>, seeder: &Seeder) {
    let seeded: Vec<Item> = seeder.stock.lock().items().cloned().collect();
    let looker = state.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let Some(files) = &looker.files else { return Default::default() };
        let is_gone = |item: &Item| files.published(&item.path).is_none_or(|now| now.version != item.version);
        let gone: Vec<Item> = seeded.into_iter().filter(is_gone).collect();
        (gone, files.newest(limits::TORRENTS_MAX))
    });
    let Ok((gone, newest)) = looked.await else { return };
    for Item { metainfo, source, path, .. } in gone {
        debug!(path, "changed or gone");
        seeder.stock.lock().forget(&metainfo.info_hash(), &source);
    }
    let now = SystemTime::now();
    for Candidate { path, version, size, modified } in newest {
        let is_settled = now.duration_since(modified).map_or(true, |age| age >= SETTLED_AFTER);
        if size > 0 && is_settled {
            let status = Publication::status(state, &path, &version, size);
            // What it failed for may have passed; and one that was away has come back.
            if let Status::Ready(metainfo) = status
                && seeder.stock.lock().lacks(&metainfo.info_hash())
            {
                Publication::forget(state, &path, &version);
                Publication::status(state, &path, &version, size);
            }
        }
    }
}

/// The client stopped a torrent.
async fn failed(state: &Arc<AppState>, seeder: &Seeder, torrent: &InfoHash, reason: &impl Display) {
    let failed = seeder.stock.lock().failed(torrent);
    if let Some(Item { path, .. }) = failed {
        info!(path, %reason, "no longer seeded");
        again(state, path).await;
    }
}

/// Hashes what is at `path` now, if that is something else than before.
async fn again(state: &Arc<AppState>, path: String) {
    let (opener, wanted) = (state.clone(), path.clone());
    let opened = tokio::task::spawn_blocking(move || opener.files.as_ref()?.published(&wanted)).await;
    if let Ok(Some(now)) = opened {
        Publication::status(state, &path, &now.version, now.size);
    }
}

/// Finds out which torrents are gone or failed where that was not heard.
async fn reconcile(state: &Arc<AppState>, seeder: &Seeder) {
    let Some(snapshot) = seeder.client.snapshot().await else { return };
    seeder.stock.lock().retain_held(|held| snapshot.torrents.iter().any(|there| there.info_hash == *held));
    for there in snapshot.torrents.iter().filter(|there| there.phase == Phase::Error) {
        let reason = there.error.as_deref().unwrap_or_default();
        failed(state, seeder, &there.info_hash, &reason).await;
    }
}

async fn carry_out(seeder: &Seeder) {
    let steps = seeder.stock.lock().next();
    for step in steps {
        match step {
            Step::Remove(torrent) => {
                seeder.client.command(Command::Remove { torrent, erase: false });
            }
            Step::Add(item) => {
                let add = Add {
                    origin: Origin::Complete(Bytes::from(item.metainfo.to_torrent(&[]))),
                    trackers: vec![seeder.announce.clone()],
                    start: true,
                    place: Place::Files(vec![item.source]),
                };
                match seeder.client.add(add).await {
                    Ok(_) => debug!(path = item.path, "seeded"),
                    Err(error) => {
                        warn!(path = item.path, %error, "cannot be seeded");
                        // Not before the next look.
                        seeder.stock.lock().failed(&item.metainfo.info_hash());
                        seeder.stock.lock().removed(&item.metainfo.info_hash());
                    }
                }
            }
        }
    }
}
