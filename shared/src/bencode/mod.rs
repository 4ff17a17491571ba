//! Bencode (BEP 3): the encoding of `.torrent` files and of the extension messages between peers.
//!
//! [`decode`] checks a whole text in one pass that allocates nothing, and answers with a [`Value`] that borrows from
//! it: lists and dictionaries are walked where they lie. [`Dictionary::raw`] is the exact run of bytes of a
//! dictionary, which is what an info-hash is taken over.
//!
//! Only canonical texts pass: no leading zeros, no `-0`, nothing after the end, keys sorted and unique. The one
//! exception is [`Order::Any`], because `.torrent` files with unsorted keys exist; unique they must be even then.

mod decode;
mod encode;
mod value;

pub use decode::{DecodeError, Order, decode, decode_prefix};
pub use encode::{DictionaryWriter, Writer};
pub use value::{Dictionary, Entries, Items, List, Value};

#[cfg(test)]
mod tests;
