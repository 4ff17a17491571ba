//! What must hold after every step, whatever goes wrong.

use shared::engine::{Output, Phase, PieceState, TorrentSnapshot};
use shared::time::Instant;

use crate::content::Content;
use crate::host::{Host, Running};

/// Checks one output against what the host knows. A violation is a bug of the engine's, so it panics with its story.
pub fn output(now: Instant, running: &Running, output: &Output) {
    match output {
        Output::Timeout(Some((at, timer))) => {
            assert!(*at >= now, "deadline {at} for {timer:?} is in the past at {now}")
        }
        Output::Send { conn, data } => {
            let max = running.open.get(conn);
            let Some(max) = max else { panic!("sends {} bytes on {conn}, which is not open", data.len()) };
            assert!(data.len() <= *max, "sends {} bytes on {conn}, which takes {max} at most", data.len());
            assert!(!data.is_empty(), "sends nothing on {conn}");
        }
        Output::TrackerSend { tracker, .. } => {
            assert!(
                running.trackers.contains_key(tracker),
                "tells tracker {tracker}, whose socket is not open"
            );
        }
        Output::Effect { id, .. } => assert!(!running.effects.contains(id), "effect {id} is given twice"),
        _ => {}
    }
}

/// Checks that what a host shows as verified is on its disk, byte for byte.
pub fn host(host: &Host, snapshot: &TorrentSnapshot, content: &Content) {
    let layout = content.metainfo.layout();
    let Some(disk) = host.disk.bytes(&content.metainfo.info_hash()) else {
        assert_eq!(snapshot.verified_bytes, 0, "verified without a storage");
        return;
    };
    let mut verified = 0;
    for (piece, state) in layout.all_pieces().zip(&snapshot.field) {
        if state & 7 != PieceState::Verified as u8 {
            continue;
        }
        let from = layout.piece_offset(piece) as usize;
        let to = from + layout.piece_size(piece) as usize;
        assert!(
            disk[from..to] == content.bytes[from..to],
            "piece {piece} is shown as verified but is not on the disk"
        );
        verified += u64::from(layout.piece_size(piece));
    }
    if !snapshot.field.is_empty() {
        assert_eq!(verified, snapshot.verified_bytes, "verified bytes differ from the field");
    }
    let whole = matches!(snapshot.phase, Phase::Complete | Phase::Seeding);
    if whole {
        assert_eq!(verified, layout.total(), "{:?} without all pieces", snapshot.phase);
    }
}
