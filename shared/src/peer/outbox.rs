use std::collections::VecDeque;

use bytes::Bytes;

use crate::limits;
use crate::rate::TokenBucket;
use crate::time::Instant;
use crate::wire::{Message, Request};

/// What waits to be sent on one connection.
///
/// Whole messages are put together into sends as large as the remote takes: that is the lever for speed on data
/// channels. Control messages are few and small and go before blocks, however many of those wait.
#[derive(Debug)]
pub struct Outbox {
    control: Vec<u8>,
    blocks: VecDeque<Message>,
    block_bytes: usize,
    /// Most bytes in one send.
    send_max: usize,
    /// Bytes in the host's buffer: what it said last, and what we have given it since.
    buffered: usize,
    last_sent: Instant,
    /// Since when something waits for the host's buffer to drain.
    stuck_since: Option<Instant>,
}

/// What one flush did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flushed {
    /// Payload bytes of blocks that went.
    pub payload: u64,
    /// Bytes that went of what is subject to rate limits: blocks, and parts of metadata.
    pub metered: u64,
    /// Whether blocks wait for the rate limit.
    pub limited: bool,
}

impl Outbox {
    /// An empty outbox for a connection that just opened.
    pub fn new(max_message: usize, now: Instant) -> Self {
        let send_max = max_message.clamp(1, limits::SEND_MESSAGE_MAX);
        Self {
            control: Vec::new(),
            blocks: VecDeque::new(),
            block_bytes: 0,
            send_max,
            buffered: 0,
            last_sent: now,
            stuck_since: None,
        }
    }

    /// Appends a control message. Answers `false` once more waits than is allowed.
    pub fn control(&mut self, message: &Message) -> bool {
        message.encode(&mut self.control);
        self.control.len() <= limits::CONTROL_QUEUED_MAX
    }

    /// Appends raw bytes, such as a handshake.
    pub fn raw(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.control);
    }

    /// Appends a message that is subject to flow control and rate limits: a block, or a part of metadata.
    pub fn block(&mut self, message: Message) {
        self.block_bytes += message.encoded_length();
        self.blocks.push_back(message);
    }

    /// Takes back a block that has not left.
    pub fn cancel(&mut self, request: Request) -> bool {
        let same = |message: &Message| {
            matches!(message, Message::Piece { piece, begin, block }
                if *piece == request.piece && *begin == request.begin && block.len() == request.length as usize)
        };
        let Some(at) = self.blocks.iter().position(same) else { return false };
        if let Some(message) = self.blocks.remove(at) {
            self.block_bytes -= message.encoded_length();
        }
        true
    }

    /// Takes back all blocks that have not left, and says which.
    pub fn cancel_all(&mut self) -> Vec<Request> {
        let mut cancelled = Vec::new();
        self.blocks.retain(|message| match message {
            Message::Piece { piece, begin, block } => {
                cancelled.push(Request { piece: *piece, begin: *begin, length: block.len() as u32 });
                false
            }
            _ => true,
        });
        self.block_bytes = self.blocks.iter().map(Message::encoded_length).sum();
        cancelled
    }

    /// Bytes of blocks that wait.
    pub const fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Whether the host takes more blocks.
    pub const fn has_room(&self) -> bool {
        self.buffered < limits::SEND_BUFFER_HIGH
    }

    /// Whether blocks wait.
    pub fn has_blocks(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// The host's buffer has drained to `buffered` bytes.
    pub const fn writable(&mut self, buffered: usize) {
        self.buffered = buffered;
        self.stuck_since = None;
    }

    /// Since when something waits for the host's buffer to drain.
    pub const fn stuck_since(&self) -> Option<Instant> {
        self.stuck_since
    }

    /// The host slept: what did not drain meanwhile is not held against the peer.
    pub fn woke(&mut self, now: Instant) {
        self.stuck_since = self.stuck_since.map(|_| now);
    }

    /// When anything was last sent.
    pub const fn last_sent(&self) -> Instant {
        self.last_sent
    }

    /// Hands over what may go now, in sends of at most the remote's maximum. Under a rate limit blocks stop at one
    /// [`TokenBucket::turn`], since others wait for the same tokens.
    pub fn flush(&mut self, now: Instant, upload: &mut TokenBucket, mut send: impl FnMut(Bytes)) -> Flushed {
        let mut flushed = Flushed::default();
        // Control messages may pass the mark that holds blocks back, but not without end.
        while self.buffered < limits::SEND_BUFFER_HIGH + limits::SEND_MESSAGE_MAX {
            let mut data = self.take_control();
            self.take_blocks(&mut data, now, upload, &mut flushed);
            if data.is_empty() {
                break;
            }
            self.last_sent = now;
            self.buffered += data.len();
            let mut data = Bytes::from(data);
            while data.len() > self.send_max {
                send(data.split_to(self.send_max));
            }
            send(data);
        }
        if !self.control.is_empty() || (!self.has_room() && self.has_blocks()) {
            self.stuck_since = self.stuck_since.or(Some(now));
        }
        flushed
    }

    fn take_control(&mut self) -> Vec<u8> {
        if self.control.len() <= self.send_max {
            return core::mem::take(&mut self.control);
        }
        let rest = self.control.split_off(self.send_max);
        core::mem::replace(&mut self.control, rest)
    }

    fn take_blocks(
        &mut self,
        data: &mut Vec<u8>,
        now: Instant,
        upload: &mut TokenBucket,
        flushed: &mut Flushed,
    ) {
        if !self.has_room() {
            return;
        }
        while let Some(message) = self.blocks.front() {
            if upload.turn().is_some_and(|turn| flushed.metered >= turn) {
                return;
            }
            let length = message.encoded_length();
            if !data.is_empty() && data.len() + length > self.send_max {
                return;
            }
            if !upload.ready(now) {
                flushed.limited = true;
                return;
            }
            upload.take(now, length as u64);
            flushed.metered += length as u64;
            if data.is_empty() {
                data.reserve_exact(self.send_max.min(self.block_bytes).max(length));
            }
            if let Message::Piece { block, .. } = message {
                flushed.payload += block.len() as u64;
            }
            message.encode(data);
            self.block_bytes -= length;
            self.blocks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(begin: u32) -> Message {
        Message::Piece { piece: 0, begin, block: Bytes::from(vec![7; 16_384]) }
    }

    fn flush(outbox: &mut Outbox) -> Vec<Bytes> {
        let mut sent = Vec::new();
        outbox.flush(Instant::ORIGIN, &mut TokenBucket::new(None, Instant::ORIGIN), |data| sent.push(data));
        sent
    }

    #[test]
    fn whole_messages_are_put_together_up_to_the_maximum() {
        let mut outbox = Outbox::new(usize::MAX, Instant::ORIGIN);
        (0..20).for_each(|number| outbox.block(block(number * 16_384)));
        assert!(outbox.control(&Message::Have(3)));
        let sent = flush(&mut outbox);
        assert_eq!(sent.iter().map(Bytes::len).collect::<Vec<_>>(), [9 + 15 * 16_397, 5 * 16_397]);
        assert_eq!(sent[0][..9], [0, 0, 0, 5, 4, 0, 0, 0, 3]);
    }

    #[test]
    fn a_small_maximum_cuts_messages_and_loses_nothing() {
        let mut outbox = Outbox::new(1_000, Instant::ORIGIN);
        assert!(outbox.control(&Message::Bitfield(Bytes::from(vec![1; 2_500]))));
        outbox.block(block(0));
        let sent = flush(&mut outbox);
        assert!(sent.iter().all(|data| data.len() <= 1_000));
        assert_eq!(sent.iter().map(Bytes::len).sum::<usize>(), 2_505 + 16_397);
    }

    #[test]
    fn blocks_wait_while_the_host_is_full_and_control_does_not() {
        let mut outbox = Outbox::new(usize::MAX, Instant::ORIGIN);
        (0..100).for_each(|number| outbox.block(block(number * 16_384)));
        let first: usize = flush(&mut outbox).iter().map(Bytes::len).sum();
        assert!(
            (limits::SEND_BUFFER_HIGH..limits::SEND_BUFFER_HIGH + limits::SEND_MESSAGE_MAX).contains(&first)
        );
        assert!(flush(&mut outbox).is_empty());
        assert!(outbox.control(&Message::Choke));
        assert_eq!(flush(&mut outbox), [Bytes::from_static(&[0, 0, 0, 1, 0])]);
        outbox.writable(limits::SEND_BUFFER_HIGH / 2);
        assert!(!flush(&mut outbox).is_empty());
    }

    #[test]
    fn a_cancelled_block_does_not_leave() {
        let mut outbox = Outbox::new(usize::MAX, Instant::ORIGIN);
        outbox.block(block(0));
        outbox.block(block(16_384));
        assert!(outbox.cancel(Request { piece: 0, begin: 0, length: 16_384 }));
        assert!(!outbox.cancel(Request { piece: 0, begin: 0, length: 16_384 }));
        assert_eq!(outbox.block_bytes(), 16_397);
        assert_eq!(outbox.cancel_all(), [Request { piece: 0, begin: 16_384, length: 16_384 }]);
        assert!(flush(&mut outbox).is_empty());
    }
}
