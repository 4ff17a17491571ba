use super::Value;
use crate::limits;

/// Whether the keys of a dictionary must be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Sorted as raw bytes, as BEP 3 demands.
    Strict,
    /// In any order, but each key once.
    Any,
}

/// What was wrong with a text. `at` counts bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The text ended too early.
    #[error("expected {expected} at byte {at}, got the end")]
    End {
        /// What should have come.
        expected: &'static str,
        /// Where.
        at: usize,
    },
    /// A byte that cannot stand there.
    #[error("expected {expected} at byte {at}, got the byte {got:#04x}")]
    Byte {
        /// What should have come.
        expected: &'static str,
        /// What came.
        got: u8,
        /// Where.
        at: usize,
    },
    /// `-0`, or a number that begins with a zero.
    #[error("expected a number in its shortest form at byte {at}")]
    NotShortest {
        /// Where the number begins.
        at: usize,
    },
    /// A number that does not fit.
    #[error("expected a number of at most 64 bits at byte {at}")]
    Overflow {
        /// Where the number begins.
        at: usize,
    },
    /// A byte string longer than what is left.
    #[error("expected a byte string of at most {rest} bytes at byte {at}, got a length of {got}")]
    Length {
        /// The length it claims.
        got: u64,
        /// Bytes that are left.
        rest: usize,
        /// Where its contents begin.
        at: usize,
    },
    /// Too many lists and dictionaries inside each other.
    #[error("expected at most {max} levels of nesting, got more at byte {at}", max = limits::BENCODE_DEPTH_MAX)]
    Depth {
        /// Where the level too many begins.
        at: usize,
    },
    /// A key that sorts before the one in front of it.
    #[error("expected keys in ascending order, got a smaller one at byte {at}")]
    Unsorted {
        /// Where the key begins.
        at: usize,
    },
    /// A key that its dictionary has already.
    #[error("expected each key once, got one again in the dictionary that ends at byte {at}")]
    Duplicate {
        /// Where the second key begins, or where an unsorted dictionary ends.
        at: usize,
    },
    /// Something after the end of the value.
    #[error("expected the end at byte {at}, got {rest} more bytes")]
    Trailing {
        /// Where the value ended.
        at: usize,
        /// Bytes that follow.
        rest: usize,
    },
}

/// Reads a text that is one value and nothing else.
pub fn decode(text: &[u8], order: Order) -> Result<Value<'_>, DecodeError> {
    let (value, rest) = decode_prefix(text, order)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::Trailing { at: text.len() - rest.len(), rest: rest.len() })
    }
}

/// Reads the value at the start of a text; also answers what follows it.
pub fn decode_prefix(text: &[u8], order: Order) -> Result<(Value<'_>, &[u8]), DecodeError> {
    check(text, order)?;
    Value::read(text).ok_or(DecodeError::End { expected: "a value", at: 0 })
}

/// A list or dictionary that is open.
#[derive(Clone, Copy)]
struct Level<'a> {
    start: usize,
    dictionary: bool,
    /// The last key, once there is one.
    key: Option<&'a [u8]>,
    unsorted: bool,
}

/// Goes over one value and checks everything; answers where it ends. Keeps its own stack, so that depth costs nothing.
fn check(text: &[u8], order: Order) -> Result<usize, DecodeError> {
    let mut levels =
        [Level { start: 0, dictionary: false, key: None, unsorted: false }; limits::BENCODE_DEPTH_MAX];
    let mut depth = 0;
    let mut at = 0;
    loop {
        // Inside a dictionary, a key or the end comes first.
        let closes = text.get(at) == Some(&b'e') && depth > 0;
        if depth > 0 && !closes && levels[depth - 1].dictionary {
            at = check_key(text, at, &mut levels[depth - 1], order)?;
        }
        match text.get(at) {
            Some(b'e') if closes => {
                depth -= 1;
                at += 1;
                if levels[depth].unsorted && repeats_a_key(&text[levels[depth].start..at]) {
                    return Err(DecodeError::Duplicate { at });
                }
            }
            Some(kind @ (b'l' | b'd')) => {
                let level = levels.get_mut(depth).ok_or(DecodeError::Depth { at })?;
                *level = Level { start: at, dictionary: *kind == b'd', key: None, unsorted: false };
                depth += 1;
                at += 1;
            }
            Some(b'i') => at = check_integer(text, at)?,
            Some(b'0'..=b'9') => at = check_string(text, at)?.1,
            Some(got) => return Err(DecodeError::Byte { expected: "a value", got: *got, at }),
            None => return Err(DecodeError::End { expected: "a value", at }),
        }
        if depth == 0 {
            return Ok(at);
        }
    }
}

fn check_key<'a>(
    text: &'a [u8],
    at: usize,
    level: &mut Level<'a>,
    order: Order,
) -> Result<usize, DecodeError> {
    let (key, end) = check_string(text, at)?;
    if let Some(last) = level.key {
        if key == last {
            return Err(DecodeError::Duplicate { at });
        }
        if key < last {
            if order == Order::Strict {
                return Err(DecodeError::Unsorted { at });
            }
            level.unsorted = true;
        }
    }
    level.key = Some(key);
    Ok(end)
}

fn check_integer(text: &[u8], start: usize) -> Result<usize, DecodeError> {
    let mut at = start + 1;
    let negative = text.get(at) == Some(&b'-');
    if negative {
        at += 1;
    }
    let digits = at;
    let mut number: i64 = 0;
    loop {
        match text.get(at) {
            Some(digit @ b'0'..=b'9') => {
                let digit = i64::from(digit - b'0');
                let signed = if negative { -digit } else { digit };
                number = number
                    .checked_mul(10)
                    .and_then(|tens| tens.checked_add(signed))
                    .ok_or(DecodeError::Overflow { at: start })?;
                at += 1;
            }
            Some(b'e') if at > digits => break,
            Some(got) => return Err(DecodeError::Byte { expected: "a digit", got: *got, at }),
            None => return Err(DecodeError::End { expected: "a digit", at }),
        }
    }
    let zero_first = text[digits] == b'0';
    if zero_first && (negative || at - digits > 1) {
        return Err(DecodeError::NotShortest { at: start });
    }
    Ok(at + 1)
}

/// The byte string that begins at `start`, and where it ends.
fn check_string(text: &[u8], start: usize) -> Result<(&[u8], usize), DecodeError> {
    let mut at = start;
    let mut length: u64 = 0;
    loop {
        match text.get(at) {
            Some(digit @ b'0'..=b'9') => {
                length = length
                    .checked_mul(10)
                    .and_then(|tens| tens.checked_add(u64::from(digit - b'0')))
                    .ok_or(DecodeError::Overflow { at: start })?;
                at += 1;
            }
            Some(b':') if at > start => break,
            Some(got) if at > start => {
                return Err(DecodeError::Byte { expected: "a digit or ':'", got: *got, at });
            }
            Some(got) => return Err(DecodeError::Byte { expected: "a key", got: *got, at }),
            None => return Err(DecodeError::End { expected: "a length and ':'", at }),
        }
    }
    if text[start] == b'0' && at - start > 1 {
        return Err(DecodeError::NotShortest { at: start });
    }
    let contents = at + 1;
    let rest = text.len() - contents;
    match usize::try_from(length) {
        Ok(length) if length <= rest => Ok((&text[contents..contents + length], contents + length)),
        _ => Err(DecodeError::Length { got: length, rest, at: contents }),
    }
}

/// Whether a dictionary whose values are sound has a key twice.
fn repeats_a_key(raw: &[u8]) -> bool {
    let Some((Value::Dictionary(dictionary), _)) = Value::read(raw) else { return false };
    let mut keys: Vec<&[u8]> = dictionary.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

/// The byte string at the start of a sound text; also answers what follows it.
pub(super) fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let length: usize = core::str::from_utf8(&text[..colon]).ok()?.parse().ok()?;
    text[colon + 1..].split_at_checked(length)
}

/// Bytes that the value at the start of a sound text takes.
pub(super) fn skip(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'l' | b'd' => {
                depth += 1;
                at += 1;
            }
            b'e' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b'i' => at += text[at..].iter().position(|byte| *byte == b'e')? + 1,
            _ => at = text.len() - string(&text[at..])?.1.len(),
        }
        if depth == 0 {
            return Some(at);
        }
    }
}
