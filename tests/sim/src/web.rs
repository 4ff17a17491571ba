//! The web server that has the torrent's files (BEP 19): one uplink, and faults now and then.

use core::time::Duration;

use bytes::Bytes;
use shared::engine::{Effect, EffectFailure, EffectResult, Input};
use shared::id::EffectId;
use shared::rng::Rng;
use shared::time::Instant;

use crate::content::Content;
use crate::plan::WebPlan;
use crate::world::{Happening, World};

/// The web seed that links name where a plan has one.
pub(crate) const WEB_SEED_URL: &str = "http://web.sim/";

/// Bytes that arrive at once.
const CHUNK: usize = 48 * 1024;

/// The server.
#[derive(Debug)]
pub(crate) struct Web {
    plan: WebPlan,
    rng: Rng,
    free: Instant,
}

impl Web {
    pub(crate) const fn new(plan: WebPlan, rng: Rng) -> Self {
        Self { plan, rng, free: Instant::ORIGIN }
    }
}

impl World {
    /// Serves a range, or fails to.
    pub(crate) fn web_fetch(&mut self, host: usize, life: u32, id: EffectId, effect: &Effect) {
        let Effect::Fetch { conn, url, offset, length } = effect else { return };
        let (now, cut_off) = (self.now, self.hosts[host].isolated);
        let Some(web) = &mut self.web else { return };
        let fault = web.plan.faults.filter(|_| !cut_off).map(|faults| web.rng.below(faults * 4));
        let failed = |why: &str| EffectResult::Failed(EffectFailure::Failed(why.to_owned()));
        let mut at = now + web.plan.latency;
        if cut_off || fault == Some(0) {
            return self.at(at, Happening::Done(host, life, id, failed("no connection")));
        }
        let mut bytes = range(&self.content, url, *offset, *length);
        let mut result = EffectResult::Done;
        match fault {
            Some(1) => bytes.truncate(bytes.len() / 2),
            Some(2) => {
                bytes.truncate(bytes.len() / 3);
                result = failed("broken off");
            }
            Some(3) if web.plan.lies => bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1),
            _ => {}
        }
        let mut chunks = Vec::new();
        for chunk in bytes.chunks(CHUNK) {
            let pace = Duration::from_nanos(chunk.len() as u64 * 1_000_000_000 / web.plan.rate);
            web.free = web.free.max(at) + pace;
            at = web.free;
            chunks.push((at, Input::ConnectionData { conn: *conn, data: Bytes::copy_from_slice(chunk) }));
        }
        for (at, input) in chunks {
            self.at(at, Happening::Input(host, life, input));
        }
        self.at(at, Happening::Done(host, life, id, result));
    }
}

/// Bytes of the file at `url`; none if there is no such file, or not as many.
fn range(content: &Content, url: &str, offset: u64, length: u64) -> Vec<u8> {
    let (metainfo, path) = (&content.metainfo, url.trim_start_matches(WEB_SEED_URL));
    let path_of = |parts: &[String]| match metainfo.is_folder() {
        true => [metainfo.name(), "/", &parts.join("/")].concat(),
        false => metainfo.name().to_owned(),
    };
    let file = metainfo.files().iter().position(|file| path_of(&file.path) == path);
    let span = file.and_then(|file| metainfo.layout().files().get(file));
    let bytes = span.and_then(|span| {
        let from = (span.offset + offset) as usize;
        (offset + length <= span.length).then(|| content.bytes.get(from..from + length as usize))?
    });
    bytes.unwrap_or_default().to_vec()
}
