//! One transfer over HTTP: read as a stream, counted, kept nowhere.

use gloo_timers::future::TimeoutFuture;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{PerformanceResourceTiming, ReadableStreamDefaultReader};

use super::model::{Lane, Outcome};
use super::origins;
use super::wire::{Both, Segments, Served};
use crate::document;
use crate::platform::scope::{self, property};
use crate::text::compare as text;

/// Fetches `path` of `origin` and counts. `progress` hears how many bytes there are so far, and answers whether to go on.
///
/// The length is checked; the bytes are not hashed, which the page's one thread would be measured by.
pub async fn transfer(
    lane: Lane,
    origin: &str,
    path: &str,
    size: u64,
    progress: &dyn Fn(u64) -> bool,
) -> Outcome {
    match measured(lane, origin, path, size, progress).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome { error: Some(error), ..Outcome::default() },
    }
}

async fn measured(
    lane: Lane,
    origin: &str,
    path: &str,
    size: u64,
    progress: &dyn Fn(u64) -> bool,
) -> Result<Outcome, String> {
    let id = random_id().ok_or(text::NO_RANDOM)?;
    let url = [origin, path, "?lane=", &id].concat();
    let begun = now();
    let response = origins::get(&url, None).await.map_err(|_| text::BROKEN_OFF.to_owned())?;
    if response.status() != 200 {
        return Err(text::status(response.status()));
    }
    let body = response.body().ok_or(text::BROKEN_OFF)?;
    let reader: ReadableStreamDefaultReader =
        body.get_reader().dyn_into().map_err(|_| text::BROKEN_OFF.to_owned())?;
    let (mut length, mut first) = (0, None);
    loop {
        let step = JsFuture::from(reader.read()).await.map_err(|_| text::BROKEN_OFF.to_owned())?;
        if property(&step, "done").is_truthy() {
            break;
        }
        first.get_or_insert_with(now);
        length += u64::from(property(&step, "value").unchecked_into::<Uint8Array>().length());
        if !progress(length) {
            // The browser closes the stream, and with HTTP/1.1 the connection.
            let _ = JsFuture::from(reader.cancel()).await;
            return Err(text::STOPPED.to_owned());
        }
    }
    let seconds = (now() - begun) / 1_000.0;
    if length != size {
        return Err(text::wrong_length(size, length));
    }
    let timing = timing(&url).await;
    let protocol = timing.as_ref().map(PerformanceResourceTiming::next_hop_protocol);
    let expected = if lane == Lane::Http2 { "h2" } else { "http/1.1" };
    if let Some(other) = protocol.as_ref().filter(|spoken| !spoken.is_empty() && *spoken != expected) {
        return Err(text::other_protocol(expected, other));
    }
    let told = timing.map(|timing| (timing.response_start(), timing.fetch_start()));
    let ttfb = match told {
        // 0 where the server does not allow it to be told.
        Some((start, fetched)) if start > 0.0 => Some((start - fetched) / 1_000.0),
        _ => first.map(|first| (first - begun) / 1_000.0),
    };
    let served = served(origin, &id).await;
    Ok(Outcome {
        error: None,
        seconds,
        ttfb_seconds: ttfb,
        setup_seconds: None,
        server_egress: served.as_ref().map(Served::egress),
        wire: served.as_ref().map(Served::wire),
        protocol: protocol.filter(|protocol| !protocol.is_empty()).or_else(|| Some(expected.to_owned())),
    })
}

/// Milliseconds since the page was opened, as finely as the browser tells.
pub fn now() -> f64 {
    document::window().performance().map_or(0.0, |performance| performance.now())
}

/// Thirty-two hexadecimal digits.
pub fn random_id() -> Option<String> {
    scope::random_bytes::<16>().ok().map(|bytes| data_encoding::HEXLOWER.encode(&bytes))
}

/// The browser's own timing of a request. It is entered a moment after the last byte.
async fn timing(url: &str) -> Option<PerformanceResourceTiming> {
    let performance = document::window().performance()?;
    // A bounded list, full after fifty runs of five lanes.
    performance.set_resource_timing_buffer_size(10_000);
    for wait in [0, 5, 20, 80] {
        TimeoutFuture::new(wait).await;
        let entries = performance.get_entries_by_name_with_entry_type(url, "resource");
        if entries.length() > 0 {
            let timing = entries.get(0).unchecked_into();
            return Some(timing);
        }
    }
    None
}

/// What the server counted; `None` if it does not tell.
async fn served(origin: &str, id: &str) -> Option<Served> {
    let report = origins::json(&[origin, "/compare/", id, ".json"].concat()).await.ok()?;
    let ipv6 = count(&report, "ipVersion") == 6;
    if !property(&report, "alone").is_truthy() {
        return Some(Served::shared(count(&report, "body"), ipv6));
    }
    let tcp = property(&report, "tcp");
    let segments = tcp.is_object().then(|| Segments {
        segments: Both { sent: count(&tcp, "segmentsSent"), received: count(&tcp, "segmentsReceived") },
        bytes_again: count(&tcp, "bytesSentAgain"),
        timestamps: property(&tcp, "timestamps").is_truthy(),
    });
    Some(Served {
        body: count(&report, "body"),
        http: both(&property(&report, "http")),
        stream: both(&property(&report, "stream")),
        tcp: segments,
        ipv6,
    })
}

fn both(object: &JsValue) -> Both {
    Both { sent: count(object, "sent"), received: count(object, "received") }
}

/// A count of a report; 0 where there is none.
pub fn count(object: &JsValue, name: &str) -> u64 {
    if !object.is_object() {
        return 0;
    }
    property(object, name).as_f64().filter(|value| *value > 0.0).map_or(0, |value| value as u64)
}
