//! Words of the Dashboard.

pub const DASHBOARD: &str = "Dashboard";
pub const INTRO: &str = "What this server is doing, once a second.";
pub const OPENING: &str = "Asking the server\u{2026}";
pub const LOST: &str =
    "The server does not answer. Trying again every two seconds; what you see is what it said last.";
pub const LIVE: &str = "Live";
pub const METRICS: &str = "Metrics for Prometheus";
pub const COPY_SCRAPE: &str = "Copy Prometheus scrape config";
pub const SCRAPE_COPIED: &str = "Copied the scrape config.";
pub const NOT_COPIED: &str = "The browser gives no clipboard to this page.";
pub const API: &str = "All endpoints";

pub const TOKEN_TITLE: &str = "For the operator";
pub const TOKEN_LABEL: &str = "Token of --dashboard-token";
pub const TOKEN_WHY: &str = "The dashboard names swarms, and who knows a swarm may join it. It is kept in this tab until you close it.";
pub const TOKEN_WRONG: &str = "The server does not know this token.";
pub const TOKEN_OPEN: &str = "Open";
pub const REFUSED: &str = "This dashboard is not for this browser.";

pub const TILES: &str = "Numbers";
pub const PEERS: &str = "Peers online";
pub const PEERS_WHAT: &str = "Peers in any swarm: each once, however many files it shares.";
pub const TORRENTS: &str = "Torrents";
pub const TORRENTS_WHAT: &str = "Swarms with at least one peer.";
pub const ANNOUNCES: &str = "Announces a second";
pub const ANNOUNCES_WHAT: &str = "How often peers say that they are there, over WebSocket, HTTP and UDP.";
pub const EGRESS: &str = "Server sends";
pub const EGRESS_WHAT: &str = "Bytes a second that this server sends, TLS included, by protocol.";
pub const BETWEEN: &str = "Between peers";
pub const BETWEEN_WHAT: &str =
    "Bytes a second that peers give each other, as far as they say so: stock WebTorrent does not.";
pub const STREAMS: &str = "HTTP downloads";
pub const STREAMS_WHAT: &str = "Downloads of /files/ under way.";
pub const SOCKETS: &str = "WebSockets";
pub const SOCKETS_WHAT: &str = "Open WebSockets of peers.";
pub const LATENCY: &str = "Announce latency";
pub const LATENCY_WHAT: &str = "From the last byte of an announce to its reply, in the last ten seconds: the median, and what one in a hundred takes longer than.";
pub const ANSWERED: &str = "Offers answered";
pub const ANSWERED_WHAT: &str =
    "Of the offers of connections that came to an end in the last ten seconds, those that were answered.";
pub const ERRORS: &str = "Refused or lost a second";
pub const ERRORS_WHAT: &str =
    "Refused announces, garbage, sockets that were closed, messages dropped. /metrics has them by reason.";
pub const NONE: &str = "\u{2013}";

pub const SWARM: &str = "Swarm";
pub const SWARM_CHOOSE: &str = "Largest swarms";
pub const SWARM_HASH: &str = "Or an info-hash";
pub const SWARM_LARGEST: &str = "The largest";
pub const NO_HASH: &str = "An info-hash is 40 characters of 0\u{2013}9 and a\u{2013}f.";
pub const NO_SWARM: &str = "Nobody is in any swarm just now.";
pub const EMPTY_SWARM: &str = "Nobody is in this swarm just now.";
pub const SERVER: &str = "server";
pub const PICTURE: &str = "Picture of the swarm; the table below says the same";
pub const KEY_FULL: &str = "filled by what it has";
pub const KEY_UNKNOWN: &str = "does not say";
pub const KEY_SERVER: &str = "this server";
pub const COL_PEER: &str = "Peer";
pub const COL_CLIENT: &str = "Program";
pub const COL_BY: &str = "Announces by";
pub const COL_HAS: &str = "Has";
pub const COL_DOWN: &str = "Down";
pub const COL_UP: &str = "Up";
pub const COL_GAVE: &str = "Gave";
pub const COL_RATIO: &str = "Ratio";
pub const COL_GIVES: &str = "Gives to";
pub const COL_DHT: &str = "DHT";
pub const COL_TRACKER: &str = "Tracker";
pub const SEED: &str = "everything";

pub const EVENTS: &str = "Events";
pub const FILTER: &str = "Show only lines with";
pub const KIND: &str = "Kind";
pub const ALL_KINDS: &str = "All";
pub const HOLD: &str = "Hold";
pub const GO_ON: &str = "Go on";
pub const NO_EVENTS: &str = "Nothing yet.";
pub const NOTHING_LIKE_IT: &str = "No event like that.";
pub const COL_TIME: &str = "Time";
pub const COL_WHAT: &str = "What happened";

/// Kinds of events as the server names them, and for people.
pub const KINDS: [(&str, &str); 9] = [
    ("joined", "joined"),
    ("left", "left"),
    ("completed", "has all"),
    ("refused", "refused"),
    ("closed", "closed"),
    ("download", "download"),
    ("certificate", "certificate"),
    ("node", "node"),
    ("tracker", "tracker"),
];

/// How many have everything.
pub fn seeds(number: u64) -> String {
    [&number.to_string(), " with everything"].concat()
}

/// Receivers beyond those that are named.
pub fn others(number: usize) -> String {
    [" and ", &number.to_string(), " more"].concat()
}

/// What was left out before an event.
pub fn left_out(number: u64) -> String {
    ["and ", &number.to_string(), " more like it before"].concat()
}

/// Bytes since the start, and who says so.
pub fn moved(bytes: &str, reporting: u64) -> String {
    let who = if reporting == 1 { " report" } else { " reports" };
    [bytes, " so far \u{b7} ", &reporting.to_string(), who].concat()
}

/// Peers of a swarm; of those without everything, so many want no more.
pub fn members(seeds: u64, leeches: u64, partial_seeds: u64, shown: usize) -> String {
    let all = seeds + leeches;
    let mut start = [&seeds.to_string(), " with everything, ", &leeches.to_string(), " without"].concat();
    if partial_seeds > 0 {
        start += &[" (", &partial_seeds.to_string(), " of them want no more)"].concat();
    }
    if all > shown as u64 { [&start, " \u{b7} ", &shown.to_string(), " shown"].concat() } else { start }
}

/// A swarm in a list of choices.
pub fn choice(info_hash: &str, peers: u64) -> String {
    [
        info_hash.get(..12).unwrap_or(info_hash),
        "\u{2026} \u{b7} ",
        &peers.to_string(),
        if peers == 1 { " peer" } else { " peers" },
    ]
    .concat()
}
