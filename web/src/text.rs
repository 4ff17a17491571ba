//! Every word that a person reads, in one table: so that it can be checked, and translated, in one place.

pub mod account;
pub mod compare;
pub mod dashboard;

use shared::engine::EffectFailure;

use crate::units;

pub const NAME: &str = "Piecemeal";
pub const SHARE: &str = "Share";
pub const TRANSFERS: &str = "Transfers";
pub const COMPARE: &str = compare::COMPARE;
pub const SETTINGS: &str = "Settings";
pub const SKIP: &str = "Skip to content";

// Share, empty
pub const DROP_TITLE: &str = "Drop files or a folder here, or choose";
pub const DROP_PASTE: &str = "or paste with Ctrl+V";
pub const DROP_RELEASE: &str = "Let go to share";
pub const CHOOSE_FILES: &str = "Choose files";
pub const CHOOSE_FOLDER: &str = "Choose a folder";
pub const LINK_LABEL: &str = "Got a link? Paste it here";
pub const LINK_OPEN: &str = "Open";
pub const PROMISE: &str = "Files go straight from this tab to theirs. The server never keeps a copy.";
pub const SAMPLE: &str = "Try it with a sample";
pub const NOTHING_DROPPED: &str = "There was no file in that.";
pub const UNREADABLE: &str = "A file could not be read by the browser. Nothing was shared.";

// Share, hashing and sharing
pub const FINGERPRINTING: &str = "Fingerprinting";
pub const HASHING_DIED: &str = "The browser ended the part of the page that reads the files, perhaps for want of memory. Nothing was shared; drop the files again.";
pub const LINK_SOON: &str = "The link appears as soon as the fingerprint is complete.";
pub const SHARE_LINK: &str = "Link to share";
pub const COPY: &str = "Copy";
pub const COPIED: &str = "Copied";
pub const COPY_BY_HAND: &str = "Press Ctrl+C";
pub const MAGNET: &str = "Magnet";
pub const TORRENT: &str = ".torrent";
pub const SHARE_VIA: &str = "Share\u{2026}";
pub const NOT_HANDED_ON: &str = "The system did not take the link. Copy it instead.";
pub const QR_LABEL: &str = "QR code of the link";
pub const PEOPLE: &str = "People";
pub const TOTALS: &str = "Totals";
pub const WAITING_FOR_SOMEONE: &str = "Waiting for someone to open the link. Keep this tab open.";
pub const KEEP_OPEN: &str = "Keep this tab open while they download.";
pub const SHARE_ENDED: &str = "This share ended when its tab was closed or reloaded. Drop the same files again: the link stays the same.";
pub const SHARE_MORE: &str = "Share something else";
pub const STOP: &str = "Stop sharing";
pub const CANCEL: &str = "Cancel";
pub const PAUSE: &str = "Pause";
pub const RESUME: &str = "Resume";
pub const REMOVE: &str = "Remove";
pub const DISCARD: &str = "Discard";
pub const UPLOAD_LIMIT: &str = "Upload limit";
pub const DOWNLOAD_LIMIT: &str = "Download limit";
pub const NO_LIMIT: &str = "none";
pub const REPORTS: &str = "Tell this server how far transfers are";
pub const REPORTS_WHY: &str = "Every few seconds, if it asks: pieces, rates, and with which peers. Its operator sees it on the Dashboard; other servers are told nothing.";
pub const OPEN_SECOND_TAB: &str = "Open it in a second tab";

// Transfer
pub const DOWNLOAD: &str = "Download";
pub const SAVE: &str = "Save";
pub const ASK_THEM_TOO: &str = "Ask them too";
pub const RETRY_NOW: &str = "Retry now";
pub const HELP_OTHERS: &str = "Keep this tab open to help others.";
pub const COPY_DIAGNOSTICS: &str = "Copy diagnostics";
pub const FILES: &str = "Files";
pub const TRACKERS: &str = "Meeting servers";
pub const RATE_CHART: &str = "Rate, last 120 s";
pub const UNKNOWN_NAME: &str = "Unnamed transfer";
pub const LINK_BROKEN: &str = "This link can't be read.";
pub const LINK_BROKEN_NEXT: &str = "Nothing was contacted. A link here starts with magnet: or is 40 characters of 0\u{2013}9 and a\u{2013}f; ask for it again.";
pub const THIS_SERVER: &str = "this server";
pub const ASKED_ON_DOWNLOAD: &str = "Not contacted yet: asked when you download, or now.";
pub const NOBODY_YET: &str = "Nobody yet";
pub const LEFT: &str = "a peer that has left";
pub const FROM_HERE: &str = "already on this device";

// States, in the exact words of the design
pub const LOOKING: &str = "Looking for people who have this file\u{2026}";
pub const NOBODY_ONLINE: &str = "Nobody with this file is online right now. The sender may have closed their tab. We'll start the moment they come back.";
pub const WONT_CONNECT: &str = "We found them, but your networks won't connect directly (firewall or NAT).";
pub const FOUND_THEM: &str = "Found someone. Connecting\u{2026}";
pub const NO_LIST: &str =
    "Connected, but nobody here has the list of files yet. It will start when somebody who has it comes.";
pub const FETCHING_LIST: &str = "Connected. Fetching the list of files\u{2026}";
pub const CHECKING: &str = "Checking what is already on this device\u{2026}";
pub const NO_PIECES: &str =
    "Connected, but nobody here has the missing pieces. This goes on when someone who has them comes.";
pub const NOT_OUR_TURN: &str = "Connected. They are sending to others first; our turn comes.";
pub const RELAYED: &str = "Slower: passing through a relay.";
pub const STARTING: &str = "Starting\u{2026}";
pub const NO_WEBRTC: &str = "This browser has no WebRTC, so it cannot connect to other people's tabs. Use a current Chrome, Edge, Firefox or Safari, or turn WebRTC on.";
pub const NO_OPFS: &str = "This browser gives the page no private storage (a private window may be why): downloads stay in memory, and progress won't survive closing the tab.";
pub const WORKER_FAILED: &str = "The part of the page that moves files could not start. Nothing was sent or lost. Reload the page; if it stays so, use a current browser.";

// Settings and help
pub const THEME: &str = "Theme";
pub const THEME_SYSTEM: &str = "System";
pub const THEME_LIGHT: &str = "Light";
pub const THEME_DARK: &str = "Dark";
pub const THIS_BROWSER: &str = "This browser";
pub const SHORTCUTS: &str = "Keyboard shortcuts";
pub const CLOSE: &str = "Close";
pub const INTERRUPTED: &str = "On this device from before";
pub const NO_TRANSFERS: &str = "Nothing here yet. What you share or download shows up in this list.";

/// `3 files`.
pub fn files(count: usize) -> String {
    plural(count as u64, "file", "files")
}

/// `4 800 pieces`.
pub fn pieces(count: u32) -> String {
    plural(u64::from(count), "piece", "pieces")
}

/// Who is there besides this tab, as a meeting server counts them.
pub fn others(count: u64) -> String {
    if count == 0 { "nobody else".to_owned() } else { plural(count, "other", "others") }
}

/// `3 people`.
pub fn people(count: usize) -> String {
    plural(count as u64, "person", "people")
}

/// `1 piece`, `2 pieces`.
pub fn plural(count: u64, one: &str, many: &str) -> String {
    [units::count(count).as_str(), " ", if count == 1 { one } else { many }].concat()
}

/// The sentence that a completed download stands for.
pub fn verified(verified: u32, pieces: u32) -> String {
    [
        "Verified: ",
        &units::count(u64::from(verified)),
        " of ",
        &units::count(u64::from(pieces)),
        " pieces match the link",
    ]
    .concat()
}

/// No tracker answers.
pub fn tracker_unreachable(url: &str, retry_ms: u64) -> String {
    let seconds = retry_ms.div_ceil(1_000).to_string();
    let when =
        if retry_ms == 0 { "Retrying now.".to_owned() } else { ["Retrying in ", &seconds, " s."].concat() };
    [
        "Can't reach the meeting server (",
        url,
        "). ",
        &when,
        " People you're already connected to keep working.",
    ]
    .concat()
}

/// The last peer that had the rest is gone.
pub fn sender_left(percent: u64, kept: &str) -> String {
    [
        "The sender left at ",
        &percent.to_string(),
        " %. Your verified pieces are ",
        kept,
        "; this will continue when they or anyone with the file returns.",
    ]
    .concat()
}

/// Requests are out and nothing comes.
pub fn no_data(since_ms: u64, others: bool, percent: u64, kept: &str) -> String {
    [
        "No data for ",
        &(since_ms / 1_000).to_string(),
        if others { " s. Asking others as well. " } else { " s. " },
        &percent.to_string(),
        " % is ",
        kept,
        ".",
    ]
    .concat()
}

/// Where verified bytes are, to end the sentence "62 % is …".
pub const fn kept(opfs: bool) -> &'static str {
    if opfs { "safe on this device" } else { "kept in this tab's memory" }
}

/// Pieces that did not match.
pub fn bad_pieces(count: u32, banned: u32) -> String {
    let mut text = plural(u64::from(count), "piece", "pieces");
    text.push_str(" didn't match and ");
    text.push_str(if count == 1 { "was" } else { "were" });
    text.push_str(" thrown away; fetched elsewhere.");
    if banned > 0 {
        text.push_str(" Shut out: ");
        text.push_str(&plural(u64::from(banned), "peer", "peers"));
        text.push('.');
    }
    text
}

/// The download is larger than what may be stored.
pub fn too_large(needs: u64, allows: u64) -> String {
    [
        "Not enough space. Needs ",
        &units::bytes(needs),
        ", this browser allows about ",
        &units::bytes(allows),
        ".",
    ]
    .concat()
}

/// It fits.
pub fn fits(free: u64) -> String {
    ["Fits: ", &units::bytes(free), " free"].concat()
}

/// Plain http: what is off, and where it is on. The sentence ends with a link when the secure address is known.
pub fn insecure(cap: u64) -> String {
    ["Opened over plain http: files up to ", &units::bytes(cap), ", no resume."].concat()
}

pub const SECURE_KNOWN_BEFORE: &str = "Open";
pub const SECURE_KNOWN_AFTER: &str = "for everything.";
pub const SECURE_UNKNOWN: &str = "Open this page over https for everything.";

pub const SHARE_PAUSED: &str = "Paused: nobody can fetch from this tab until you resume.";

/// Stopped by the person.
pub fn paused(percent: u64, kept: &str) -> String {
    ["Paused. ", &percent.to_string(), " % is ", kept, "."].concat()
}
pub const NO_CLIPBOARD: &str =
    "This browser gives the page no clipboard here. Select the text and press Ctrl+C.";

// Piece field
pub const CELL_DIRECT: &str = "verified, direct";
pub const CELL_RELAYED: &str = "verified, relayed";
pub const CELL_HERE: &str = "verified on this device";
pub const CELL_VERIFYING: &str = "being verified";
pub const CELL_RECEIVED: &str = "arriving";
pub const CELL_REQUESTED: &str = "asked for";
pub const CELL_MISSING: &str = "missing";
pub const CELL_BAD: &str = "did not match";

/// What a cell stands for, where that is more than one piece.
pub fn one_cell(run: &str) -> String {
    ["one cell is ", run, " pieces"].concat()
}

// Bars
pub const HOME: &str = "Piecemeal: share";
pub const VIEWS: &str = "Views";
pub const DOT_ON: &str = "meeting server connected";
pub const DOT_OFF: &str = "meeting server out of reach";
pub const DOT_IDLE: &str = "not connected: nothing to do";
pub const DOT_CONNECTING: &str = "connecting\u{2026}";
pub const DOT_STARTING: &str = "starting\u{2026}";
pub const DOT_FAILED: &str = "could not start";
pub const LINK_EXAMPLE: &str =
    "https://\u{2026}#magnet:\u{2026} or magnet:\u{2026} or 40 characters of an info-hash";
pub const MAGNET_COPIED: &str = "Magnet link copied";

// Tables
pub const PEER: &str = "Peer";
pub const PATH_LAN: &str = "LAN direct";
pub const PATH_DIRECT: &str = "direct";
pub const PATH_RELAYED: &str = "relayed";
pub const PATH_UNKNOWN: &str = "connected";
pub const UNDER_A_MS: &str = "< 1\u{a0}ms";
pub const COL_PEER: &str = "Who";
pub const COL_PATH: &str = "Path";
pub const COL_DOWN: &str = "Down";
pub const COL_UP: &str = "Up";
pub const COL_GAVE: &str = "Gave";
pub const COL_HAS: &str = "Has";
pub const COL_SINCE: &str = "For";
pub const COL_NAME: &str = "Name";
pub const COL_SIZE: &str = "Size";
pub const COL_VERIFIED: &str = "Verified";
pub const PEER_DONE: &str = "has everything";
pub const PEER_CHOKES: &str = "sends to others first";
pub const PEER_CHOKED: &str = "waits for its turn";
pub const ASK_NOW: &str = "Ask for people now";
pub const TRACKER_CONNECTING: &str = "connecting\u{2026}";
pub const TRACKER_OK: &str = "ok";
pub const TRACKER_REFUSED: &str = "refused";
pub const TRACKER_UNREACHABLE: &str = "out of reach";
pub const TRACKER_UNSUPPORTED: &str = "not reachable from a browser; left alone";
pub const TRACKER_NEXT: &str = "next";
pub const WEB_SEEDS: &str = "Web seeds";
pub const WEB_SEED_IDLE: &str = "has the file";
pub const WEB_SEED_FAILED: &str = "failed";
pub const WEB_SEED_PRIVATE: &str = "a private address; left alone";
pub const WEB_SEED_CONVICTED: &str = "gave wrong data; not asked again";
pub const CHECK_TRACKER: &str = "meeting server";
pub const CHECK_NETWORK: &str = "your network";
pub const CHECK_PEERS: &str = "people connected:";
pub const DIAGNOSTICS_COPIED: &str = "Diagnostics copied";

/// Offers the rest of a long list.
pub fn show_all(count: usize) -> String {
    ["Show all ", &units::count(count as u64), " files"].concat()
}
pub const HASH_TITLE: &str = "Info-hash: every piece is checked against it";

/// `744 MB of 1.2 GB verified`.
pub fn part_verified(part: u64, whole: u64) -> String {
    [&units::bytes(part), " of ", &units::bytes(whole), " verified"].concat()
}

/// How much a download may have where it stays in memory.
pub fn in_memory(cap: u64) -> String {
    ["Files up to ", &units::bytes(cap), "."].concat()
}

/// Keys and what they do.
pub const KEYS: [(&str, &str); 9] = [
    ("D", "choose files to share"),
    ("Ctrl+V", "share pasted files, or open a pasted link"),
    ("C", "copy the link in view"),
    ("P", "pause or resume the transfer in view"),
    ("1", "Share"),
    ("2", "Transfers"),
    ("3", "Compare"),
    ("?", "this list"),
    ("Esc", "close it"),
];
pub const PIECE: &str = "Piece";
pub const VERIFIED: &str = "verified";
pub const FROM: &str = "from";
pub const CELL_BEING_READ: &str = "Every cell is a part of the file, being fingerprinted";
pub const UPLOADED: &str = "Uploaded";
pub const NOW: &str = "Now";
pub const RATIO: &str = "Ratio";
pub const DELIVERED: &str = "Delivered, all of it, to";
pub const INSECURE_SAVE: &str =
    "Your browser will ask whether to keep it, because this page came over plain http.";
pub const STORED_WHOLE: &str = "complete";
pub const STORED_PART: &str = "interrupted";
pub const STORED_UNCHECKED: &str = "to be checked";

// What this browser can do
pub const CAN_SECURE: &str = "Secure address: everything is on";
pub const CANNOT_SECURE: &str = "No secure address (https): no storage, no resume, no service worker";
pub const CAN_WEBRTC: &str = "Connects to other tabs (WebRTC)";
pub const CANNOT_WEBRTC: &str = "Cannot connect to other tabs: no WebRTC";
pub const CAN_OPFS: &str = "Downloads go to private storage and survive a reload";
pub const CANNOT_OPFS: &str = "Downloads stay in memory and end with the tab";
pub const CAN_TRANSFER: &str = "Bytes go straight to the engine's thread";
pub const CANNOT_TRANSFER: &str = "Bytes pass through the page's thread: somewhat slower";
pub const CAN_SAVE: &str = "Saves of any size are streamed to the disk";
pub const CANNOT_SAVE: &str = "Saves go through a plain download link";

/// `812 of 812 pieces verified`.
pub fn pieces_verified(part: u32, whole: u32) -> String {
    [&units::count(u64::from(part)), " of ", &pieces(whole), " verified"].concat()
}

/// Copies among the people connected; the average in tenths.
pub fn availability(peers: usize, rarest: u32, average_tenths: u64) -> String {
    let average = [&(average_tenths / 10).to_string(), ".", &(average_tenths % 10).to_string()].concat();
    [
        "Copies among ",
        &people(peers),
        ": ",
        &average,
        " on average, ",
        &units::count(u64::from(rarest)),
        " of the rarest piece",
    ]
    .concat()
}

/// A cell that stands for several pieces.
pub fn run_of_pieces(first: usize, last: usize, verified: usize, all: usize) -> String {
    let number = |number: usize| units::count(number as u64);
    [
        "Pieces ",
        &number(first),
        "\u{2013}",
        &number(last),
        " \u{b7} ",
        &number(verified),
        " of ",
        &number(all),
        " verified",
    ]
    .concat()
}

/// `↓ 12.4 MB/s ↑ 0 B/s`, the arrows read as words by their labels.
pub fn rates(down: u64, up: u64) -> String {
    match (down, up) {
        (0, 0) => String::new(),
        (_, 0) => ["\u{2193} ", &units::rate(down)].concat(),
        (0, _) => ["\u{2191} ", &units::rate(up)].concat(),
        _ => ["\u{2193} ", &units::rate(down), "  \u{2191} ", &units::rate(up)].concat(),
    }
}

/// A phase in one word or two.
pub const fn phase(phase: shared::engine::Phase) -> &'static str {
    use shared::engine::Phase;
    match phase {
        Phase::Connecting => "looking for people",
        Phase::Metadata => "fetching the list",
        Phase::Checking => "checking",
        Phase::Ready => "ready",
        Phase::Downloading => "downloading",
        Phase::Complete => "complete, helping others",
        Phase::Seeding => "sharing",
        Phase::Paused => "paused",
        Phase::Error => "failed",
    }
}
pub const BACK: &str = "Back to Share";
pub const SAVE_ALL: &str = "Save all";
pub const DOWNLOADED: &str = "Downloaded";
pub const WASTED: &str = "Thrown away";
pub const ALSO_NAMED: &str = "It also names";
pub const NOTHING_TO_COPY: &str = "There is no link in view to copy.";
pub const ERASE: &str = "Erase";

/// What may still be stored.
pub fn free(bytes: u64) -> String {
    [&units::bytes(bytes), " free"].concat()
}
pub const DROP_TOUCH: &str = "Choose files to share";

/// What an earlier tab left is in use again.
pub const HELD_ELSEWHERE: &str = "Another tab goes on with this one already.";
pub const NOT_SAVED: &str = "The file could not be saved. What is verified is still here: try Save again.";

/// What was dropped before is a torrent now, while something else is in view.
pub fn shared_meanwhile(name: &str) -> String {
    ["\u{201c}", name, "\u{201d} is shared now: its link is under Transfers."].concat()
}

/// What was dropped could not be shared.
pub fn not_shared(name: &str, reason: &str) -> String {
    ["\u{201c}", name, "\u{201d} is not shared. ", reason].concat()
}

/// A file that was shared is not what it was.
pub fn changed(name: &str) -> String {
    [
        "\u{201c}",
        name,
        "\u{201d} was changed, moved or deleted since you chose it. Drop it again to share it as it is now.",
    ]
    .concat()
}
pub const TORRENT_BROKEN: &str = "This .torrent can't be read: it is damaged, or of a kind that a browser can't download. Nothing was contacted.";

/// Why a transfer stopped, by the host's failure: whose side it is, what is safe, what can be done.
pub fn failure(failure: &EffectFailure) -> String {
    match failure {
        EffectFailure::NoSpace { needed, available: Some(available) } if available < needed => [
            "Not enough space: needs ",
            &units::bytes(*needed),
            ", this browser allows about ",
            &units::bytes(*available),
            ". What is verified is safe.",
        ]
        .concat(),
        EffectFailure::NoSpace { .. } => {
            "Not enough space: the disk of this device is full. What is verified is safe; make room, then try again."
                .to_owned()
        }
        EffectFailure::Changed(name) => changed(name),
        EffectFailure::Unsupported(_) => {
            "This browser can't do what this transfer needs. Try a current Chrome, Edge, Firefox or Safari."
                .to_owned()
        }
        EffectFailure::Refused(_) | EffectFailure::Failed(_) => {
            "The browser could not read or write what is stored here. What is verified is safe; try again."
                .to_owned()
        }
    }
}
pub const NOT_ASKED: &str =
    "The part of the page that moves files did not hear that. Try it again; if it stays so, reload the page.";
pub const NOT_DISCARDED: &str =
    "It could not be deleted: another tab uses it. Close that tab, then try again.";
pub const TOO_MANY: &str = "This tab has as many transfers as it can have. Remove one first.";
pub const FAILED: &str = "This transfer stopped. What is verified is safe; try again.";
pub const TRY_AGAIN: &str = "Try again";

/// The button that stops what runs, or goes on with what stands still.
pub const fn toggle(phase: shared::engine::Phase) -> &'static str {
    use shared::engine::Phase;
    match phase {
        Phase::Paused => RESUME,
        Phase::Error => TRY_AGAIN,
        _ => PAUSE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_storage_is_told_with_units_and_never_as_it_came() {
        let full = |available| failure(&EffectFailure::NoSpace { needed: 60_000_000, available });
        let told = full(Some(19_000_000));
        assert!(told.contains("60") && told.contains("MB") && told.contains("19"), "{told}");
        for told in
            [told, full(None), full(Some(90_000_000)), failure(&EffectFailure::Failed("Some(x)".into()))]
        {
            assert!(!told.contains("Some(") && !told.contains("000000"), "{told}");
        }
    }
}
