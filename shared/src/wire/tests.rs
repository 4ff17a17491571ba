use bytes::Bytes;

use super::*;
use crate::id::{InfoHash, PeerId};

fn shaken() -> Framer {
    let mut framer = Framer::new();
    let mut bytes = Vec::new();
    Handshake::new(InfoHash([1; 20]), PeerId([2; 20])).encode(&mut bytes);
    framer.push(bytes.into());
    assert!(framer.handshake().expect("sound").is_some());
    framer
}

#[test]
fn the_handshake_comes_first_and_whole() {
    let handshake = Handshake::new(InfoHash([1; 20]), PeerId([2; 20]));
    let mut bytes = Vec::new();
    handshake.encode(&mut bytes);
    assert_eq!(bytes.len(), Handshake::LENGTH);
    let mut framer = Framer::new();
    for byte in &bytes[..67] {
        framer.push(Bytes::copy_from_slice(&[*byte]));
        assert_eq!(framer.handshake(), Ok(None));
        assert_eq!(framer.message(), Ok(None));
    }
    framer.push(Bytes::copy_from_slice(&[bytes[67], 0, 0, 0, 0]));
    assert_eq!(framer.handshake(), Ok(Some(handshake)));
    assert_eq!(framer.handshake(), Ok(None));
    assert_eq!(framer.message(), Ok(Some(Message::KeepAlive)));
    assert!(handshake.reserved.fast() && handshake.reserved.extended() && !handshake.reserved.dht());
}

#[test]
fn a_stranger_of_another_kind_is_refused_at_its_first_byte() {
    let mut framer = Framer::new();
    framer.push(Bytes::from_static(b"GET / HTTP/1.1"));
    let error = WireError::Protocol { at: 0, got: b'G' };
    assert_eq!(framer.handshake(), Err(error.clone()));
    assert_eq!(framer.message(), Err(error));
    assert_eq!(framer.buffered(), 0);
}

#[test]
fn a_have_of_900000_bytes_is_refused_at_its_header() {
    let mut framer = shaken();
    framer.push(Bytes::from_static(&[0, 0x0d, 0xbb, 0xa0]));
    assert_eq!(framer.message(), Err(WireError::TooLong { got: 900_000 }));
    let mut framer = shaken();
    framer.push(Bytes::from_static(&[0, 1, 0, 0, 4]));
    assert_eq!(framer.message(), Err(WireError::Length { id: 4, min: 5, max: 5, got: 65_536 }));
}

#[test]
fn a_block_that_lies_in_one_chunk_is_not_copied() {
    let message = Message::Piece { piece: 3, begin: 16_384, block: Bytes::from(vec![7; 16_384]) };
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    message.encode(&mut bytes);
    // Many messages in one chunk.
    let chunk = Bytes::from(bytes.clone());
    let mut framer = shaken();
    framer.push(chunk.clone());
    for number in 0..2 {
        let Ok(Some(Message::Piece { block, .. })) = framer.message() else { panic!("a block") };
        let from = number * message.encoded_length() + 13;
        assert_eq!(block.as_ptr(), chunk[from..].as_ptr());
    }
    // As stock WebTorrent sends it: a head of 13 bytes, then the block.
    let (head, block) =
        (Bytes::copy_from_slice(&bytes[..13]), Bytes::copy_from_slice(&bytes[13..13 + 16_384]));
    framer.push(head);
    assert_eq!(framer.message(), Ok(None));
    framer.push(block.clone());
    let Ok(Some(Message::Piece { block: got, .. })) = framer.message() else { panic!("a block") };
    assert_eq!(got.as_ptr(), block.as_ptr());
}

#[test]
fn an_unknown_message_is_skipped_without_being_kept() {
    let mut framer = shaken();
    framer.push(Bytes::from_static(&[0, 0, 0x10, 1, 200]));
    assert_eq!(framer.message(), Ok(None));
    for _ in 0..0x100 {
        framer.push(Bytes::from_static(&[9; 16]));
        assert_eq!(framer.buffered(), 16);
        if let Some(message) = framer.message().expect("sound") {
            assert_eq!(message, Message::Unknown { id: 200 });
        }
        assert_eq!(framer.buffered(), 0);
    }
    framer.push(Bytes::from_static(&[0, 0, 0, 1, 1]));
    assert_eq!(framer.message(), Ok(Some(Message::Unchoke)));
}
