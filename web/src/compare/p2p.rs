//! One transfer by BitTorrent over WebRTC: the engine of this tab fetches a link like any other, and it is erased afterwards.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use shared::engine::Phase;
use shared::id::{ConnId, InfoHash};
use std::pin::pin;

use super::http::now;
use super::model::Outcome;
use super::wire::{Both, Served, Traffic, Wire};
use crate::client::{Client, TransferView};
use crate::document;
use crate::text::compare as text;

/// Somebody who has the file must be met within this time.
const MEET_WITHIN_MS: u32 = 20_000;

/// A removed torrent gives its storage back within this time.
const ERASE_MS: u32 = 300;

/// Fetches the `size` bytes that `link` names and measures from where everything is known and somebody is connected. Progress as
/// in [`super::http::transfer`].
pub async fn transfer(client: &Client, link: &str, size: u64, progress: Rc<dyn Fn(u64) -> bool>) -> Outcome {
    match measured(client, link, size, progress).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome { error: Some(error), ..Outcome::default() },
    }
}

async fn measured(
    client: &Client,
    link: &str,
    size: u64,
    progress: Rc<dyn Fn(u64) -> bool>,
) -> Result<Outcome, String> {
    let hash = link.parse::<shared::magnet::Link>().map_err(|error| error.to_string())?.info_hash;
    if view(client, hash, |_| ()).is_some() {
        return Err(text::ALREADY_HERE.to_owned());
    }
    let opened = now();
    client.open_link(link)?;
    client.meter(true);
    let fetched = fetch(client, (hash, size), opened, progress).await;
    client.remove(hash, true);
    client.meter(false);
    TimeoutFuture::new(ERASE_MS).await;
    fetched
}

async fn fetch(
    client: &Client,
    (hash, size): (InfoHash, u64),
    opened: f64,
    progress: Rc<dyn Fn(u64) -> bool>,
) -> Result<Outcome, String> {
    let ready = until(client, hash, move |view| match view.torrent.phase {
        Phase::Ready if !view.torrent.peers.is_empty() || !view.torrent.web_seeds.is_empty() => Some(Ok(())),
        Phase::Downloading | Phase::Complete | Phase::Seeding => Some(Err(text::ALREADY_HERE.to_owned())),
        Phase::Error => Some(Err(view.failure.clone().unwrap_or_else(|| text::BROKEN_OFF.to_owned()))),
        _ => None,
    });
    match select(pin!(ready), TimeoutFuture::new(MEET_WITHIN_MS)).await {
        Either::Left((met, _)) => met?,
        Either::Right(_) => return Err(text::NOBODY_SEEDS.to_owned()),
    }
    let before = client.traffic().await;
    let begun = now();
    client.start_download(hash);
    let first = Rc::new(RefCell::new(None));
    let conns = Rc::new(RefCell::new(BTreeSet::new()));
    let done = {
        let (first, conns) = (Rc::clone(&first), Rc::clone(&conns));
        until(client, hash, move |view| {
            conns.borrow_mut().extend(view.torrent.peers.iter().map(|peer| peer.conn));
            if view.torrent.downloaded > 0 {
                first.borrow_mut().get_or_insert_with(now);
            }
            if !progress(view.torrent.verified_bytes) {
                return Some(Err(text::STOPPED.to_owned()));
            }
            match view.torrent.phase {
                Phase::Complete | Phase::Seeding => Some(Ok(Ended::now(view))),
                Phase::Error => {
                    Some(Err(view.failure.clone().unwrap_or_else(|| text::BROKEN_OFF.to_owned())))
                }
                _ => None,
            }
        })
    };
    let ended = done.await?;
    if ended.size != size {
        return Err(text::wrong_length(size, ended.size));
    }
    let after = client.traffic().await;
    let traffic = grown(&before, &after, &conns.borrow());
    let ttfb = first.borrow().map(|first: f64| (first - begun) / 1_000.0);
    Ok(Outcome {
        error: None,
        seconds: (ended.at - begun) / 1_000.0,
        ttfb_seconds: ttfb,
        setup_seconds: Some((begun - opened) / 1_000.0),
        server_egress: ended.of_web_seeds,
        wire: ended.wire(traffic),
        protocol: Some("webrtc".to_owned()),
    })
}

/// A torrent at the moment when it was complete.
struct Ended {
    at: f64,
    size: u64,
    /// Bytes of web seeds, if it had any.
    of_web_seeds: Option<u64>,
    /// Bytes of the file given to other receivers.
    given: u64,
}

impl Ended {
    fn now(view: &TransferView) -> Self {
        let seeds = &view.torrent.web_seeds;
        let of_web_seeds = (!seeds.is_empty()).then(|| seeds.iter().map(|seed| seed.downloaded).sum());
        Self { at: now(), size: view.torrent.total_bytes, of_web_seeds, given: view.torrent.uploaded }
    }

    /// What peers sent by what the browser counted; what web seeds sent, modelled.
    fn wire(&self, traffic: Traffic) -> Option<Wire> {
        let of_web_seeds = self.of_web_seeds.unwrap_or_default().min(self.size);
        let got = self.size - of_web_seeds;
        let of_peers = traffic.wire(got + self.given).map(|wire| wire.share(got));
        if of_web_seeds == 0 {
            return of_peers;
        }
        let served = if document::origin().starts_with("https:") {
            Served::shared(of_web_seeds, false)
        } else {
            let bytes = Both { sent: of_web_seeds, received: 0 };
            Served { body: of_web_seeds, http: bytes, stream: bytes, ..Served::default() }
        };
        Some(of_peers.unwrap_or_default().plus(served.wire()))
    }
}

fn grown(
    before: &BTreeMap<ConnId, Traffic>,
    after: &BTreeMap<ConnId, Traffic>,
    conns: &BTreeSet<ConnId>,
) -> Traffic {
    let of = |conn: &ConnId| {
        let now = after.get(conn).copied().unwrap_or_default();
        now.since(before.get(conn).copied().unwrap_or_default())
    };
    conns.iter().map(of).fold(Traffic::default(), Traffic::plus)
}

/// Something of a torrent's view, if it is there.
fn view<T>(client: &Client, hash: InfoHash, read: impl Fn(&TransferView) -> T) -> Option<T> {
    let rows = &client.state().transfers;
    let row = rows.with_untracked(|rows| rows.iter().find(|row| row.info_hash == hash).cloned());
    row.map(|row| row.view.with_untracked(read))
}

/// Waits until `judge` has a verdict on the torrent's view; it sees each. Told by the engine's messages, not by timers: those of
/// a hidden tab run once a second.
pub async fn until<T: 'static>(
    client: &Client,
    hash: InfoHash,
    judge: impl Fn(&TransferView) -> Option<Result<T, String>> + 'static,
) -> Result<T, String> {
    let (tell, told) = oneshot::channel();
    let tell = RefCell::new(Some(tell));
    let rows = client.state().transfers.clone();
    // Ends with this call, whichever way it ends.
    let owner = Owner::new();
    owner.with(|| {
        Effect::new(move |_| {
            let row = rows.with(|rows| rows.iter().find(|row| row.info_hash == hash).cloned());
            let verdict = row.and_then(|row| row.view.with(&judge));
            if let Some(verdict) = verdict
                && let Some(tell) = tell.borrow_mut().take()
            {
                let _ = tell.send(verdict);
            }
        });
    });
    let verdict = told.await.unwrap_or_else(|_| Err(text::BROKEN_OFF.to_owned()));
    owner.cleanup();
    verdict
}
