//! The tracker's own downloads by curl.

use anyhow::{Context as _, Result, ensure};
use e2e::files;
use e2e::tracker::{Options, Tracker};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{Bench, median};

const BYTES: u64 = 1_000_000_000;
const RUNS: u32 = 3;

pub(crate) async fn measure(bench: &Bench) -> Result<Value> {
    let directory = bench.scratch.path().join("served");
    let sha256 = files::write_random(&directory.join("large.bin"), BYTES, 97)?;
    let options = Options { files: Some(directory.clone()), ..Options::default() };
    let tracker = Tracker::start(&options, bench.scratch.path()).await?;
    let (clear, tls) = (tracker.origin(), tracker.tls_origin());
    println!("\ncurl, 1 GB, MB/s (median of {RUNS})");
    let mut rows = Vec::new();
    for (name, origin, flag) in [
        ("HTTP/1.1", &clear, "--http1.1"),
        ("HTTP/2 (h2c)", &clear, "--http2-prior-knowledge"),
        ("HTTP/1.1 over TLS", &tls, "--http1.1"),
        ("HTTP/2 over TLS", &tls, "--http2"),
    ] {
        let mut rates = Vec::new();
        for _ in 0..RUNS {
            rates.push(fetch(&format!("{origin}/files/large.bin"), flag).await? / 1e6);
        }
        println!("{name:>20} {:>7.0}", median(&rates));
        rows.push(json!({ "over": name, "rates": rates, "median": median(&rates) }));
    }
    let target = bench.scratch.path().join("fetched.bin");
    let address = format!("{tls}/files/large.bin");
    let status =
        Command::new("curl").args(["-sk", "--http2", "-o"]).arg(&target).arg(&address).status().await?;
    ensure!(
        status.success() && files::sha256(&target)? == sha256,
        "the file over HTTP/2 differs from the original"
    );
    std::fs::remove_dir_all(&directory)?;
    std::fs::remove_file(&target)?;
    Ok(Value::Array(rows))
}

/// Bytes a second, as curl says.
async fn fetch(address: &str, flag: &str) -> Result<f64> {
    let output = Command::new("curl")
        .args([
            "-sk",
            flag,
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{size_download} %{speed_download}",
            address,
        ])
        .output()
        .await
        .context("running curl (Debian: apt install curl)")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let parts: Vec<&str> = said.split(' ').collect();
    ensure!(
        parts.len() == 3 && parts[0] == "200" && parts[1] == BYTES.to_string(),
        "curl {flag} {address}: {said}"
    );
    parts[2].parse().with_context(|| format!("curl's rate {said}"))
}
