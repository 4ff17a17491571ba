//! Compresses once, with patience, what the tracker serves many times.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::stamp::files_below;

const EXTENSIONS: [&str; 8] = ["wasm", "js", "css", "html", "svg", "json", "txt", "webmanifest"];
/// Below this, headers outweigh what compression saves.
const SMALLEST: usize = 256;
const BROTLI_QUALITY: i32 = 11;
/// 2^22 bytes: the whole of any of our files.
const BROTLI_WINDOW: i32 = 22;

/// Puts `NAME.br` and `NAME.gz` beside each compressible file of `directory`, where they are smaller.
pub(crate) fn directory(directory: &Path) -> Result<()> {
    let compressible = |path: &Path| {
        path.extension().and_then(|extension| extension.to_str()).is_some_and(|e| EXTENSIONS.contains(&e))
    };
    let files: Vec<_> = files_below(directory)?.into_iter().filter(|path| compressible(path)).collect();
    let next = Mutex::new(files.iter());
    let work = || -> Result<()> {
        loop {
            // The guard must be gone before the file is compressed, or the threads would take turns.
            let file = next.lock().map_err(|_| anyhow::anyhow!("another thread panicked"))?.next();
            let Some(file) = file else { return Ok(()) };
            compress(file).with_context(|| format!("cannot compress {}", file.display()))?;
        }
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a compressing thread panicked")))
        })
    })
}

fn compress(path: &Path) -> Result<()> {
    let contents = fs::read(path)?;
    if contents.len() < SMALLEST {
        return Ok(());
    }
    let beside = |extension: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(extension);
        name
    };
    for (extension, packed) in [(".br", brotli(&contents)?), (".gz", gzip(&contents)?)] {
        if packed.len() < contents.len() {
            fs::write(beside(extension), packed)?;
        }
    }
    Ok(())
}

fn brotli(contents: &[u8]) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        lgwin: BROTLI_WINDOW,
        size_hint: contents.len(),
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &contents[..], &mut packed, &parameters)?;
    Ok(packed)
}

fn gzip(contents: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(contents)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn both_forms_unpack_to_what_was_packed() {
        let contents: Vec<u8> = (0..100_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();

        let mut unpacked = Vec::new();
        brotli::BrotliDecompress(&mut &brotli(&contents).expect("brotli")[..], &mut unpacked)
            .expect("unbrotli");
        assert!(unpacked == contents);

        let packed = gzip(&contents).expect("gzip");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).expect("gunzip");
        assert!(unpacked == contents);
        assert!(packed.len() < contents.len());
    }
}
