//! The tracker's command.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use tracing::error;
use tracing_subscriber::EnvFilter;
use tracker::Running;
use tracker::cli::Args;
use tracker::lan;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&args.log).context("--log")?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if args.log_json {
        lines.json().init()
    } else {
        lines.init()
    }
    let shutdown = tracker::shutdown::requested();
    let lan = args.lan;
    let running = tracker::start(args.into_config()?).await?;
    announce(&running, lan);
    let drained = running
        .until(async {
            if let Err(error) = shutdown.await {
                error!(%error, "cannot listen to signals; ending at once");
            }
        })
        .await;
    anyhow::ensure!(drained, "ended while connections were still open");
    Ok(())
}

/// Says on standard output where the tracker is to be found, one address a line.
fn announce(running: &Running, lan: bool) {
    let (port, tls) = (running.address().port(), running.tls_address());
    println!("Piecemeal tracker {}", env!("CARGO_PKG_VERSION"));
    println!("  page and tracker   {}", url("http", running.address()));
    if let Some(address) = tls {
        println!("  the same over TLS  {}", url("https", address));
    }
    if let Some(fingerprint) = running.fingerprint() {
        println!("  certificate        SHA-256 {fingerprint}");
        if running.certificate_is_generated() {
            println!(
                "                     made here: browsers warn; compare the fingerprint before you go on"
            );
        }
    }
    if lan {
        neighbours(port, tls.map(|address| address.port()));
    }
}

fn neighbours(port: u16, tls_port: Option<u16>) {
    let addresses = lan::addresses();
    let Some(first) = addresses.first() else {
        println!("  no address on a local network was found; is this host connected?");
        return;
    };
    for address in &addresses {
        println!("  on this network    {}", url("http", (*address, port).into()));
    }
    // Browsers give a page the full set of functions only over TLS.
    let (scheme, port) = tls_port.map_or(("http", port), |port| ("https", port));
    let best = url(scheme, (*first, port).into());
    println!("  to scan            {best}");
    if let Some(code) = lan::qr::code(&best, std::io::stdout().is_terminal()) {
        println!("{code}");
    }
}

fn url(scheme: &str, address: std::net::SocketAddr) -> String {
    let ip = match address.ip() {
        ip if ip.is_unspecified() || ip.is_loopback() => "localhost".to_owned(),
        std::net::IpAddr::V6(v6) => format!("[{v6}]"),
        v4 => v4.to_string(),
    };
    format!("{scheme}://{ip}:{}/", address.port())
}
