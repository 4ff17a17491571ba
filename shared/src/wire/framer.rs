use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

use super::message::{Shape, assemble, shape};
use super::{Handshake, Message, WireError};
use crate::limits;

/// Turns chunks of a connection's byte stream into its handshake and messages.
///
/// After each [`Framer::push`] it is drained: [`Framer::handshake`] until that has answered once, then
/// [`Framer::message`] until it answers `None`. What it then holds is at most one unfinished message, of a length that
/// its kind may have. Contents that lie within one chunk are handed out as a part of that chunk, without copying;
/// contents that span several are put together once.
///
/// After an error the stream has no more meaning, and each further call answers with the same error.
#[derive(Debug)]
pub struct Framer {
    chunks: VecDeque<Bytes>,
    stage: Stage,
}

/// What comes next on the stream.
#[derive(Debug)]
enum Stage {
    Handshake(Head<{ Handshake::LENGTH }>),
    /// Length and id of a message, then its fixed fields.
    Head(Head<HEAD_MAX>),
    /// Contents of variable length.
    Contents {
        head: Head<HEAD_MAX>,
        parts: BytesMut,
        left: usize,
    },
    /// Contents that are not kept.
    Skip {
        id: u8,
        left: usize,
    },
    Broken(WireError),
}

/// Length, id and the twelve bytes of a request: the longest part of a message that has a fixed size.
const HEAD_MAX: usize = 4 + 1 + 12;

impl Framer {
    /// At the start of a stream, where the handshake comes first.
    pub const fn new() -> Self {
        Self { chunks: VecDeque::new(), stage: Stage::Handshake(Head::NEW) }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// The handshake, once it has come whole. Answers `None` ever after.
    pub fn handshake(&mut self) -> Result<Option<Handshake>, WireError> {
        match &mut self.stage {
            Stage::Broken(error) => return Err(error.clone()),
            Stage::Handshake(head) => {
                let whole = head.fill(&mut self.chunks, Handshake::LENGTH);
                let checked = Handshake::check_start(head.get());
                if let Err(error) = checked {
                    return Err(self.broken(error));
                }
                if whole {
                    let handshake = Handshake::decode(&head.bytes);
                    self.stage = Stage::Head(Head::NEW);
                    return handshake.map(Some);
                }
            }
            _ => {}
        }
        Ok(None)
    }

    /// The next message, once it has come whole. Answers `None` while the handshake has not been taken.
    pub fn message(&mut self) -> Result<Option<Message>, WireError> {
        loop {
            match &mut self.stage {
                Stage::Broken(error) => return Err(error.clone()),
                Stage::Handshake(_) => return Ok(None),
                Stage::Head(head) => match head.message(&mut self.chunks) {
                    Ok(Step::Wait) => return Ok(None),
                    Ok(Step::KeepAlive) => {
                        self.stage = Stage::Head(Head::NEW);
                        return Ok(Some(Message::KeepAlive));
                    }
                    Ok(Step::Contents(left)) => {
                        self.stage = Stage::Contents { head: *head, parts: BytesMut::new(), left };
                    }
                    Ok(Step::Skip(id, left)) => self.stage = Stage::Skip { id, left },
                    Err(error) => return Err(self.broken(error)),
                },
                Stage::Contents { head, parts, left } => {
                    let Some(contents) = gather(&mut self.chunks, parts, left) else { return Ok(None) };
                    let message = assemble(head.bytes[4], head.fixed(), contents);
                    self.stage = Stage::Head(Head::NEW);
                    return Ok(Some(message));
                }
                Stage::Skip { id, left } => {
                    drop_bytes(&mut self.chunks, left);
                    if *left > 0 {
                        return Ok(None);
                    }
                    let id = *id;
                    self.stage = Stage::Head(Head::NEW);
                    return Ok(Some(Message::Unknown { id }));
                }
            }
        }
    }

    /// Bytes of the message or handshake that has begun but is not whole, and of chunks not yet looked at.
    pub fn buffered(&self) -> usize {
        let begun = match &self.stage {
            Stage::Handshake(head) => head.length,
            Stage::Head(head) => head.length,
            Stage::Contents { head, parts, .. } => head.length + parts.len(),
            Stage::Skip { .. } | Stage::Broken(_) => 0,
        };
        begun + self.chunks.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether a message has begun that is not whole.
    pub const fn is_midway(&self) -> bool {
        match &self.stage {
            Stage::Head(head) => head.length > 0,
            Stage::Contents { .. } | Stage::Skip { .. } => true,
            Stage::Handshake(_) | Stage::Broken(_) => false,
        }
    }

    fn broken(&mut self, error: WireError) -> WireError {
        self.chunks.clear();
        self.stage = Stage::Broken(error.clone());
        error
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

/// The first bytes of something, as far as they have come.
#[derive(Clone, Copy, Debug)]
struct Head<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

/// What the head of a message leads to.
enum Step {
    /// More of the head has to come.
    Wait,
    KeepAlive,
    /// The head is whole and so many bytes of contents follow.
    Contents(usize),
    /// So many bytes follow that are not kept, of a message with this id.
    Skip(u8, usize),
}

impl<const N: usize> Head<N> {
    const NEW: Self = Self { bytes: [0; N], length: 0 };

    fn get(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Takes from the chunks until `wanted` bytes (at most N) are here; answers whether they are.
    fn fill(&mut self, chunks: &mut VecDeque<Bytes>, wanted: usize) -> bool {
        while self.length < wanted {
            let Some(chunk) = chunks.front_mut() else { return false };
            let count = chunk.len().min(wanted - self.length);
            self.bytes[self.length..self.length + count].copy_from_slice(&chunk[..count]);
            self.length += count;
            take(chunks, count);
        }
        true
    }
}

impl Head<HEAD_MAX> {
    /// The fixed fields after the id.
    fn fixed(&self) -> &[u8] {
        self.bytes.get(5..self.length).unwrap_or_default()
    }

    /// Takes the head of a message; each byte is judged before the next is waited for.
    fn message(&mut self, chunks: &mut VecDeque<Bytes>) -> Result<Step, WireError> {
        if !self.fill(chunks, 4) {
            return Ok(Step::Wait);
        }
        let [a, b, c, d, ..] = self.bytes;
        let length = u32::from_be_bytes([a, b, c, d]);
        if length == 0 {
            return Ok(Step::KeepAlive);
        }
        if length as usize > limits::WIRE_MESSAGE_MAX {
            return Err(WireError::TooLong { got: length });
        }
        if !self.fill(chunks, 5) {
            return Ok(Step::Wait);
        }
        let id = self.bytes[4];
        let Shape { fixed, keep } = shape(id, length)?;
        if !self.fill(chunks, 5 + fixed) {
            return Ok(Step::Wait);
        }
        let rest = length as usize - 1 - fixed;
        Ok(if keep { Step::Contents(rest) } else { Step::Skip(id, rest) })
    }
}

/// Takes `left` bytes of contents; `None` until all have come.
fn gather(chunks: &mut VecDeque<Bytes>, parts: &mut BytesMut, left: &mut usize) -> Option<Bytes> {
    if parts.is_empty() {
        if *left == 0 {
            return Some(Bytes::new());
        }
        let chunk = chunks.front_mut()?;
        if chunk.len() >= *left {
            let contents = chunk.split_to(*left);
            take(chunks, 0);
            return Some(contents);
        }
        parts.reserve(*left);
    }
    while *left > 0 {
        let chunk = chunks.front_mut()?;
        let count = chunk.len().min(*left);
        parts.extend_from_slice(&chunk[..count]);
        *left -= count;
        take(chunks, count);
    }
    Some(core::mem::take(parts).freeze())
}

fn drop_bytes(chunks: &mut VecDeque<Bytes>, left: &mut usize) {
    while *left > 0 {
        let Some(chunk) = chunks.front() else { return };
        let count = chunk.len().min(*left);
        *left -= count;
        take(chunks, count);
    }
}

/// Removes `count` bytes from the first chunk, and the chunk itself when that empties it.
fn take(chunks: &mut VecDeque<Bytes>, count: usize) {
    if let Some(chunk) = chunks.front_mut() {
        chunk.advance(count);
        if chunk.is_empty() {
            chunks.pop_front();
        }
    }
}
