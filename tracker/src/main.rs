//! The tracker's command.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use tracing::{error, warn};
use tracing_subscriber::EnvFilter;
use tracker::Running;
use tracker::cli::{Args, Command};
use tracker::lan;
use tracker::settings::{self, Asked, SettingsError};
use tracker::shutdown::Signals;

/// Exit code for options that cannot be used, as clap has it.
const USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match settings::read() {
        Ok(Asked::Run(args)) => *args,
        Ok(Asked::Print(text)) => {
            // Whoever closed standard output has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        // Also what --help and --version print.
        Err(SettingsError::CommandLine(error)) => error.exit(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    if let Some(Command::Account(command)) = args.command.clone() {
        let data = args.data_directory().map_err(anyhow::Error::from);
        return match data.and_then(|data| command.run(&data)) {
            Ok(said) => {
                let _ = std::io::stdout().write_all(said.as_bytes());
                ExitCode::SUCCESS
            }
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "error: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
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
        .with_ansi(std::io::stderr().is_terminal())
        // It would report a closed standard error on standard error, and panic.
        .log_internal_errors(false);
    if args.log_json {
        lines.json().init()
    } else {
        lines.init()
    }
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let lan = args.lan;
    let running = tracker::start(args.into_config()?).await?;
    // Whoever closed standard output does not want to know, and the tracker can do without.
    let _ = std::io::stdout().write_all(announcement(&running, lan).as_bytes());
    let asked = async {
        signals.asked().await;
        // Whoever asks twice does not want to wait.
        tokio::spawn(async move {
            signals.asked().await;
            std::process::exit(1);
        });
    };
    let drained = running.until(asked).await;
    if !drained {
        warn!("ended while connections were still open");
    }
    Ok(())
}

/// Where the tracker is to be found, one address a line.
fn announcement(running: &Running, lan: bool) -> String {
    let (port, tls) = (running.address().port(), running.tls_address());
    let mut text = format!("Piecemeal tracker {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |label: &str, value: &str| text.push_str(&format!("  {label:<18} {value}\n"));
    line("page and tracker", &url("http", running.address()));
    if let Some(address) = tls {
        line("the same over TLS", &url("https", address));
    }
    if let Some(address) = running.tls_http1_address() {
        line("TLS, HTTP/1.1 only", &url("https", address));
    }
    line("announce URLs", &announce_url("ws", running.address()));
    line("", &announce_url("http", running.address()));
    if let Some(address) = running.udp_address() {
        line("", &announce_url("udp", address));
    }
    if let Some(address) = running.stun_address() {
        line("STUN", &format!("at UDP port {}, named to the page", address.port()));
    }
    if let Some(address) = running.turn_address() {
        line("relay (TURN)", &format!("at UDP port {}, named to the page", address.port()));
    }
    if let Some(address) = running.peers_address() {
        line("seeding", &format!("the published files, to peers at TCP port {} too", address.port()));
    }
    line("dashboard", &format!("{}#/dashboard", url("http", running.address())));
    if let Some(address) = running.metrics_address() {
        line("metrics", &format!("{}metrics", url("http", address)));
    }
    if let Some(fingerprint) = running.fingerprint() {
        line("certificate", &format!("SHA-256 {fingerprint}"));
        if running.certificate_is_generated() {
            line("", "made here: browsers warn; compare the fingerprint before you go on");
        }
    }
    if let Some(code) = running.setup_code() {
        let page = tls.map_or_else(|| url("http", running.address()), |address| url("https", address));
        line("first account", &format!("{page}#/account?invite={code}"));
        line("", "whoever opens this link makes the admin's account; or run `tracker account add NAME`");
    }
    if lan {
        text.push_str(&neighbours(port, tls.map(|address| address.port())));
    }
    text
}

fn neighbours(port: u16, tls_port: Option<u16>) -> String {
    let addresses = lan::addresses();
    let Some(first) = addresses.first() else {
        return "  no address on a local network was found; is this host connected?\n".to_owned();
    };
    let lines = addresses.iter().map(|address| url("http", (*address, port).into()));
    let mut text: String = lines.map(|url| format!("  on this network    {url}\n")).collect();
    // Browsers give a page the full set of functions only over TLS.
    let (scheme, port) = tls_port.map_or(("http", port), |port| ("https", port));
    let best = url(scheme, (*first, port).into());
    text.push_str(&format!("  to scan            {best}\n"));
    text.push_str(&peer::qr::code(&best, std::io::stdout().is_terminal()).unwrap_or_default());
    text
}

fn announce_url(scheme: &str, address: std::net::SocketAddr) -> String {
    format!("{}announce", url(scheme, address))
}

fn url(scheme: &str, address: std::net::SocketAddr) -> String {
    let ip = match address.ip() {
        ip if ip.is_unspecified() || ip.is_loopback() => "localhost".to_owned(),
        std::net::IpAddr::V6(v6) => format!("[{v6}]"),
        v4 => v4.to_string(),
    };
    format!("{scheme}://{ip}:{}/", address.port())
}
