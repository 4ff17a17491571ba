//! Words of the Compare page.

use crate::compare::model::Lane;
use crate::compare::origins::Access;

pub const COMPARE: &str = "Compare";
pub const INTRO: &str =
    "The same file over each protocol, from the same server to this browser, measured. Nothing is kept.";
pub const FILE: &str = "File";
pub const OWN_FILE: &str = "Use a file of your own";
pub const LANES: &str = "Protocols";
pub const RUNS: &str = "Runs of each";
pub const ORDER: &str = "Order";
pub const SEQUENTIAL: &str = "One at a time";
pub const TOGETHER: &str = "All at once";
pub const RECEIVERS: &str = "Receivers";
pub const THIS_TAB: &str = "This tab";
pub const START: &str = "Start";
pub const STOP: &str = "Stop";
pub const CHECK_AGAIN: &str = "Check again";
pub const LOADING: &str = "Asking the server which files it has\u{2026}";
pub const NO_FILES: &str =
    "This server publishes no files. Start it with --files DIR, or use a file of your own for the P2P ways.";
pub const LIST_FAILED: &str = "The server did not tell which files it has.";
pub const OWN_FILE_NOTE: &str = "Your own file stays in this tab: the server does not have it, so there is no HTTP way for it. This tab seeds it, and the receivers are other tabs.";
pub const OPEN_TABS: &str = "Open receiver tabs";
pub const CLOSE_TABS: &str = "Close them";
pub const TABS_BLOCKED: &str = "The browser let the page open only some of the tabs. Allow pop-ups for this page, or press the button again: each press opens at least one.";
pub const NEEDS_TABS: &str =
    "Open at least one receiver tab: this tab seeds the file and cannot fetch it from itself.";
pub const NEEDS_LANES: &str = "Choose at least one way that works.";
pub const NEEDS_FILE: &str = "Choose a file.";
pub const SEED_TITLE: &str = "A seed for the P2P ways";
pub const SEED_NONE: &str = "Nobody is known to have this file for P2P. Another tab of this browser can: it fetches the file once over HTTP, then gives it to everybody who asks.";
pub const SEED_OPEN: &str = "Seed it from another tab";
pub const SEED_OPENING: &str = "Waiting for the other tab\u{2026}";
pub const SEED_FETCHING: &str = "The other tab fetches the file and fingerprints it\u{2026}";
pub const SEED_READY: &str = "Another tab seeds it. Keep that tab open.";
pub const SEED_HERE: &str = "This tab seeds it.";
pub const SEED_PUBLISHED: &str = "The server publishes a magnet link for it. Whoever seeds it is asked; if nobody does, the way fails and says so.";
pub const HASHING: &str = "Fingerprinting\u{2026}";
pub const SEED_BLOCKED: &str =
    "The browser did not let the page open a tab. Allow pop-ups for this page and try again.";
pub const CERT_TITLE: &str = "The ways over TLS need a certificate that this browser trusts";
pub const CERT_WHY: &str = "The server made its certificate itself, so the browser refuses to fetch from its TLS ports until you say that it is the right one.";
pub const CERT_WHY_OWN: &str = "The browser refuses to fetch from the server's TLS ports. The certificate may not be good for this name, or nobody that the browser trusts has signed it.";
pub const CERT_STEPS: [&str; 3] = [
    "Open the TLS page in a new tab. The browser will warn.",
    "Look at the certificate there, compare its SHA-256 fingerprint with the one below (and that with what the server printed), and go on only if they are the same.",
    "Come back here: this is checked again by itself.",
];
pub const CERT_OPEN: &str = "Open the TLS page";
pub const CERT_OPEN_HTTP1: &str = "Open the HTTP/1.1 one";
pub const CERT_FINGERPRINT: &str = "Fingerprint";
pub const RACE: &str = "Race";
pub const CURVE_RATE: &str = "Rate";
pub const CURVE_BYTES: &str = "Bytes so far";
pub const CURVE_LABEL: &str = "Curves of the latest run of each way";
pub const RESULTS: &str = "Results";
pub const COL_LANE: &str = "Protocol";
pub const COL_RUNS: &str = "Runs";
pub const COL_TIME: &str = "Time";
pub const COL_TTFB: &str = "First byte";
pub const COL_GOODPUT: &str = "Rate";
pub const COL_OVERHEAD: &str = "On top";
pub const COL_EGRESS: &str = "Server sent";
pub const WIRE: &str = "Bytes on the wire beside the file, in both directions";
pub const WIRE_PARTS: [&str; 5] =
    ["HTTP or BitTorrent", "TLS or DTLS", "TCP, or SCTP and UDP", "IP", "Ethernet"];
pub const MODELLED_MARK: &str = "modelled";
pub const MANY: &str = "All receivers together";
pub const COL_N: &str = "Receivers";
pub const COL_LAST: &str = "Last done";
pub const COL_MEDIAN: &str = "Half done";
pub const COL_COPIES: &str = "Copies sent by the server";
pub const VERDICT: &str = "What it comes to";
pub const CAVEATS: &str = "Keep in mind";
pub const EQUAL: &str = "Held equal";
pub const EXPORT_JSON: &str = "Save as JSON";
pub const EXPORT_CSV: &str = "Save as CSV";
pub const UNKNOWN: &str = "\u{2013}";
pub const WAITS: &str = "waits";
pub const WARM_UP: &str = "Warm-up, not counted";
pub const RECEIVER_TITLE: &str = "This tab is a receiver";
pub const RECEIVER_NOTE: &str = "Another tab of this browser leads a comparison. Keep this one open; it fetches what it is told to, and keeps nothing.";
pub const RECEIVER_IDLE: &str = "Waiting for the start.";
pub const SEEDER_TITLE: &str = "This tab seeds for a comparison";
pub const SEEDER_IDLE: &str = "Waiting for the tab that leads the comparison\u{2026}";

// Why a transfer failed
pub const NO_RANDOM: &str = "This browser gives no random numbers.";
pub const BROKEN_OFF: &str = "The transfer was broken off.";
pub const STOPPED: &str = "Stopped.";
pub const NOBODY_SEEDS: &str = "Nobody who has the file could be reached within 20 s.";
pub const ALREADY_HERE: &str =
    "This browser's engine has this file already. Remove it under Transfers, or let other tabs receive.";
pub const TAB_GONE: &str = "The receiver's tab was closed.";
pub const NO_MAGNET: &str = "Nobody seeds this file yet.";

// What was held equal, modelled, and is to be kept in mind
pub const HELD_EQUAL: [&str; 5] = [
    "One server process answers every HTTP way, from the same file; the ways over TLS share one certificate and one TLS configuration.",
    "No cache: every request is made with no-store, and what arrives is counted and thrown away (HTTP) or verified, written and erased (P2P).",
    "One warm-up run of each way comes first and is not counted, so connections are open; P2P is timed from where it has met a peer and knows the pieces.",
    "The order within each round is drawn anew.",
    "The receive windows are the browser's own; it tells nobody which they are.",
];
pub const MODELLED_HEADERS: &str = "Headers of Ethernet, IP, TCP and UDP are the counted packets times their usual size: 14, 20 or 40, 20 (32 with timestamps) and 8 bytes.";
pub const MODELLED_DTLS: &str = "DTLS is 37 bytes for each packet (AES-GCM); SCTP is what remains.";
pub const MODELLED_FRAMING: &str = "Where the browser does not count the messages of a data channel, BitTorrent's own framing is modelled: 30 bytes for each block of 16 KiB.";
pub const MODELLED_SHARED: &str = "Where several requests shared one HTTP/2 connection, as those of several tabs of one browser do, the bytes around each body are modelled. So are those around what a web seed gave, of which the heads of its ranges are not counted.";
pub const MODELLED_GIVEN: &str =
    "A receiver that gave pieces to others has their share of its traffic taken off, in proportion.";
pub const MODELLED_PACKETS: &str =
    "Where packets could not be counted, they are modelled as full, and marked so.";
pub const LOOPBACK: &str = "Loopback has no distance: everything here is the processor's time. Protocols differ on a network with delay and loss; add some, or use another machine.";
pub const ONE_MACHINE: &str = "Receivers in tabs of one browser share its processor, its disk and its network: as many people have many of each.";
pub const FEW_RUNS: &str = "Fewer than six good runs: the intervals are the range of what was seen, which covers the median with less than 95 %.";
pub const P2P_WORKS_MORE: &str = "P2P hashes every piece and writes it to storage, which the HTTP ways do not do here; its first byte is told at most four times a second.";
pub const SAME_TIME: &str = "All ways ran at once, so they shared the network and the processor: this shows how they share, not how fast each is alone. P2P and P2P + HTTP are one torrent to a receiver: where both were chosen, only P2P ran.";
pub const WEB_SEED_IDLE: &str = "The web seed gave nothing in these runs: P2P + HTTP was P2P alone.";
pub const HTTP_ALIKE: &str = "For one large file over one connection that is expected: they differ in how many requests share a connection.";
pub const TLS_COSTS: &str = "Encryption costs less than these runs can show.";
pub const SEED_SHARES: &str = "Where the seed is a tab of this same browser, that browser does the sender's work too: on a network, somebody else does that.";

/// A way as people say it.
pub const fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Http1 => "HTTP/1.1",
        Lane::Http1Tls => "HTTP/1.1, TLS",
        Lane::Http2 => "HTTP/2, TLS",
        Lane::P2p => "P2P",
        Lane::Hybrid => "P2P + HTTP",
    }
}

/// One letter, so that colour is never alone.
pub const fn letter(lane: Lane) -> &'static str {
    match lane {
        Lane::Http1 => "1",
        Lane::Http1Tls => "1s",
        Lane::Http2 => "2",
        Lane::P2p => "P",
        Lane::Hybrid => "H",
    }
}

/// Why a way cannot be used from here; empty where it can.
pub const fn access(access: Access) -> &'static str {
    match access {
        Access::Trying => "being tried\u{2026}",
        Access::Open => "",
        Access::NoPort => "the server has no port for it (--listen-tls, --listen-tls-http1)",
        Access::Untrusted => "the certificate is not trusted yet, see below",
        Access::Mixed => "a page opened over https may not fetch over http; open this page over http for it",
        Access::Silent => "that port does not answer",
        Access::NoWebRtc => "this browser has no WebRTC",
    }
}

/// `2 tabs`.
pub fn tabs(count: u32) -> String {
    crate::text::plural(u64::from(count), "tab", "tabs")
}

/// `Run 2 of 5`.
pub fn run_of(run: u32, runs: u32) -> String {
    ["Run ", &run.to_string(), " of ", &runs.to_string()].concat()
}

/// Another status than 200.
pub fn status(status: u16) -> String {
    ["The server answered with status ", &status.to_string(), "."].concat()
}

/// Truncated, or changed meanwhile.
pub fn wrong_length(expected: u64, got: u64) -> String {
    ["Expected ", &expected.to_string(), " bytes, got ", &got.to_string(), "."].concat()
}

/// The browser spoke something else than this way is about.
pub fn other_protocol(expected: &str, got: &str) -> String {
    ["The browser spoke ", got, " instead of ", expected, ": this run says nothing about the way."].concat()
}

/// `12.4 ms`, `1.23 s`.
pub fn seconds(seconds: f64) -> String {
    if seconds < 1.0 {
        return [&tenths(seconds * 1_000.0), "\u{a0}ms"].concat();
    }
    [&hundredths(seconds), "\u{a0}s"].concat()
}

/// `4.1 %`, of a part.
pub fn percent(part: f64) -> String {
    [&hundredths(part * 100.0), "\u{a0}%"].concat()
}

/// With one decimal.
pub fn tenths(value: f64) -> String {
    let tenths = (value * 10.0).round().max(0.0) as u64;
    [&(tenths / 10).to_string(), ".", &(tenths % 10).to_string()].concat()
}

fn hundredths(value: f64) -> String {
    let all = (value * 100.0).round().max(0.0) as u64;
    let zero = if all % 100 < 10 { "0" } else { "" };
    [(all / 100).to_string().as_str(), ".", zero, &(all % 100).to_string()].concat()
}

/// No difference between two ways.
pub fn alike(one: &str, other: &str) -> String {
    [one, " and ", other, ": no difference that these runs can show."].concat()
}

/// One way moved bytes `ratio` times as fast as the other.
pub fn faster(one: &str, other: &str, ratio: f64) -> String {
    if ratio >= 1.0 {
        [one, " was ", &tenths(ratio), " times as fast as ", other, "."].concat()
    } else {
        [one, " took ", &tenths(1.0 / ratio), " times as long as ", other, "."].concat()
    }
}

/// The least and the most overhead.
pub fn overheads(least: &str, little: f64, most: &str, much: f64) -> String {
    [
        "Beside the file itself, ",
        least,
        " put ",
        &percent(little),
        " on the wire, the least; ",
        most,
        " ",
        &percent(much),
        ", the most.",
    ]
    .concat()
}

/// What the server sent to `n` receivers, in copies of the file.
pub fn copies(n: u32, http: f64, p2p: Option<f64>) -> String {
    let mut sentence =
        ["To ", &n.to_string(), " receivers the server sent ", &tenths(http), " copies over HTTP"].concat();
    if let Some(p2p) = p2p {
        sentence.push_str(", and ");
        sentence.push_str(&tenths(p2p));
        sentence.push_str(" where they helped each other");
    }
    sentence.push('.');
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_for_people() {
        assert_eq!(seconds(0.012_44), "12.4\u{a0}ms");
        assert_eq!(seconds(12.345), "12.35\u{a0}s");
        assert_eq!(percent(0.0405), "4.05\u{a0}%");
        assert_eq!(faster("a", "b", 0.25), "a took 4.0 times as long as b.");
    }
}
