use std::path::Path;

use proptest::prelude::*;
use shared::fuzz::TARGETS;
use shared::rng::Rng;

/// What was ever found, and some seeds: one folder a target.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus");

#[test]
fn the_corpus_holds_for_every_target() {
    for (name, body) in TARGETS {
        let mut count = 0;
        for entry in std::fs::read_dir(Path::new(CORPUS).join(name)).expect("a corpus for each target") {
            body(&std::fs::read(entry.expect("readable").path()).expect("readable"));
            count += 1;
        }
        assert!(count > 0, "no corpus for {name}");
    }
}

#[test]
fn random_bytes_hold_for_every_target() {
    let mut rng = Rng::from_seed([9; 32]);
    for (name, body) in TARGETS {
        // Each character that means something to one of the formats, beside all bytes.
        const TELLING: &[u8] = b"0123456789-:deil{}[]\",./\\\n%&=#?magnet:xurbths";
        for round in 0..4_000 {
            let mut bytes = vec![0; rng.below(200) as usize];
            rng.fill(&mut bytes);
            if round % 2 == 0 {
                bytes.iter_mut().for_each(|byte| *byte = TELLING[usize::from(*byte) % TELLING.len()]);
            }
            let caught = std::panic::catch_unwind(|| body(&bytes));
            assert!(caught.is_ok(), "{name} does not hold for {bytes:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_holds_for_every_target(text: String) {
        for (_, body) in TARGETS {
            body(text.as_bytes());
        }
    }
}
