//! Every wire format: what is written is read back, and no bytes of a stranger do more harm than a typed error.

mod bencode;
mod metainfo;
mod replay;
mod tracker;
mod wire;

/// Every text that differs from `text` by one end cut off, one bit flipped, one byte left out or doubled, and by one of
/// some telling bytes in place of each.
fn mutations(text: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let cuts = (0..text.len()).map(|length| text[..length].to_vec());
    let flips = (0..text.len() * 8).map(|bit| {
        let mut mutated = text.to_vec();
        mutated[bit / 8] ^= 1 << (bit % 8);
        mutated
    });
    let others = (0..text.len()).flat_map(move |at| {
        const TELLING: &[u8] = b"\x00\xff-0e:9l{}[]\",\\";
        let without = [&text[..at], &text[at + 1..]].concat();
        let doubled = [&text[..=at], &text[at..]].concat();
        let replaced = TELLING.iter().map(move |byte| {
            let mut mutated = text.to_vec();
            mutated[at] = *byte;
            mutated
        });
        [without, doubled].into_iter().chain(replaced)
    });
    cuts.chain(flips).chain(others)
}
