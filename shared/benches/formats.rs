//! Rates of the formats that stand on a hot path. `cargo bench -p shared --bench formats`
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement needs a clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shared::id::{InfoHash, OfferId, PeerId};
use shared::metainfo::Metainfo;
use shared::tracker::ws::{ClientAnnounce, ClientMessage, ClientOffer, Event, Request, Response};
use shared::wire::{Framer, Handshake, Message};

fn main() {
    blocks("blocks, as we send them (256 KiB a message)", 256 * 1024);
    stock_blocks();
    blocks("blocks, cut at 16 KiB", 16 * 1024);
    writing();
    announces();
    torrents();
}

/// Runs `once` for a second and prints how often it ran; with `bytes`, also the rate.
fn measure(name: &str, bytes: usize, mut once: impl FnMut()) {
    let (start, mut rounds) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(1) {
        once();
        rounds += 1;
    }
    let each = start.elapsed().as_secs_f64() / f64::from(rounds);
    println!("{name}: {:.0} a second, {:.0} MB/s", 1.0 / each, bytes as f64 / each / 1e6);
}

fn shaken() -> Framer {
    let (mut framer, mut bytes) = (Framer::new(), Vec::new());
    Handshake::new(InfoHash([1; 20]), PeerId([2; 20])).encode(&mut bytes);
    framer.push(bytes.into());
    let _ = framer.handshake();
    framer
}

fn block() -> Message {
    Message::Piece { piece: 1, begin: 0, block: Bytes::from(vec![7; 16_384]) }
}

fn read(framer: &mut Framer, chunk: &Bytes) {
    framer.push(chunk.clone());
    while let Ok(Some(message)) = framer.message() {
        black_box(message);
    }
}

fn blocks(name: &str, cut: usize) {
    let mut stream = Vec::new();
    for _ in 0..256 {
        block().encode(&mut stream);
    }
    let chunks: Vec<Bytes> = stream.chunks(cut).map(Bytes::copy_from_slice).collect();
    let mut framer = shaken();
    measure(name, stream.len(), || chunks.iter().for_each(|chunk| read(&mut framer, chunk)));
}

fn stock_blocks() {
    let mut stream = Vec::new();
    block().encode(&mut stream);
    let (head, block) = (Bytes::copy_from_slice(&stream[..13]), Bytes::copy_from_slice(&stream[13..]));
    let mut framer = shaken();
    measure("blocks, as stock WebTorrent sends them", stream.len() * 256, || {
        for _ in 0..256 {
            read(&mut framer, &head);
            read(&mut framer, &block);
        }
    });
}

fn writing() {
    let (block, mut out) = (block(), Vec::with_capacity(256 * 1024));
    measure("blocks written", block.encoded_length() * 15, || {
        out.clear();
        for _ in 0..15 {
            block.encode(&mut out);
        }
        black_box(&out);
    });
}

fn announces() {
    for (lines, offers) in [(30, 1), (1, 1), (30, 5), (0, 0)] {
        let sdp = "a=candidate:1 1 udp 2113937151 192.168.1.2 54321 typ host\r\n".repeat(lines);
        let offer = |number| ClientOffer { offer_id: OfferId([number; 20]), sdp: sdp.clone() };
        let json = ClientMessage::Announce(ClientAnnounce {
            info_hash: InfoHash([0xe9; 20]),
            peer_id: PeerId(*b"-PM0100-abcdefghijkl"),
            event: Event::Started,
            uploaded: 0,
            downloaded: 0,
            left: Some(1),
            offers: (0..offers).map(offer).collect(),
            tracker_id: None,
        })
        .to_json();
        let name = format!("announce of {} bytes, {offers} offers, read", json.len());
        measure(&name, json.len(), || {
            let _ = black_box(Request::parse(black_box(&json)));
        });
    }
    let reply =
        Response::Announced { info_hash: InfoHash([0xe9; 20]), interval: 120, complete: 1, incomplete: 2 };
    measure("announce reply written", reply.to_json().len(), || {
        black_box(reply.to_json());
    });
}

fn torrents() {
    let files = "d6:lengthi1048576e4:pathl6:folder9:name1.txtee".repeat(10_000);
    let hashes = "h".repeat(10_000 * 20);
    let info = Bytes::from(format!(
        "d5:filesl{files}e4:name1:t12:piece lengthi1048576e6:pieces{}:{hashes}e",
        hashes.len()
    ));
    measure("info dictionary of 10 000 files and pieces read", info.len(), || {
        let _ = black_box(Metainfo::from_info(info.clone()));
    });
}
