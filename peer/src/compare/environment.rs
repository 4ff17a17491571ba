//! Where and how it is measured, in words and figures.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Options;
use super::lane::H2_WINDOW;
use super::model::{Environment, Lane};
use super::wire::MTU;

/// What is known before anything was measured.
pub(super) fn describe(options: &Options) -> Environment {
    let system = rustix::system::uname();
    let name = [system.sysname(), system.release(), system.machine()].map(|part| part.to_string_lossy());
    Environment {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        system: name.join(" "),
        processor: processor(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        server: "the tracker's executable, one process for all lanes".to_owned(),
        beside: None,
        seed: options.seed,
        parallel: options.parallel,
        namespaces: false,
        mtu: MTU as u32,
        held_equal: held_equal(options),
        windows: windows(&options.lanes),
        modelled: modelled(options),
        caveats: Vec::new(),
    }
}

/// What the kernel gives a TCP connection to receive into, in words.
pub(super) fn tcp_window(tcp_rmem: &str, congestion: &str) -> String {
    let figures: Vec<&str> = tcp_rmem.split_whitespace().collect();
    let [_, first, largest] = figures[..] else {
        return "TCP: the kernel's own receive window".to_owned();
    };
    format!(
        "TCP, all lanes: the kernel sizes the receive window itself, from {first} to {largest} bytes; congestion control {congestion}"
    )
}

fn held_equal(options: &Options) -> Vec<String> {
    let mut list = vec![
        "The same bytes, which cannot be compressed, from the same files on the same machine.".to_owned(),
        "The same server process for all HTTP lanes, and one client for all of them.".to_owned(),
        "Every transfer opens its own connection; nothing is resumed or cached.".to_owned(),
        "Every client hashes what it receives with SHA-1 and writes it to a file; a run counts when the hash is right."
            .to_owned(),
        "One warm-up of each lane and size is discarded; the order of the rest is drawn from the seed.".to_owned(),
    ];
    if options.lanes.contains(&Lane::Http1Tls) && options.lanes.contains(&Lane::Http2) {
        let line = "HTTP lanes over TLS: the same certificate, versions and suites, by rustls and aws-lc on both sides.";
        list.push(line.to_owned());
    }
    if options.parallel > 1 {
        list.push(format!(
            "{} transfers at once, of as many files: over HTTP/1.1 on as many connections, over HTTP/2 on one.",
            options.parallel
        ));
    }
    if options.lanes.iter().any(|lane| !lane.is_http()) {
        list.push(
            "BitTorrent lanes: the same engine on both sides, one peer that has everything; the client knows the info-hash and \
             where to ask, and fetches the rest from the peer. Their first byte is the first piece that is verified and written."
                .to_owned(),
        );
    }
    list
}

fn modelled(options: &Options) -> Vec<String> {
    let mut list = Vec::new();
    if options.lanes.contains(&Lane::BtWebRtc) {
        list.push(
            "security of bt-webrtc: 37 bytes a datagram, as DTLS 1.2 with AES-GCM adds; what datagrams hold beyond that and \
             messages is SCTP, ICE and the DTLS handshake, and counts as transport."
                .to_owned(),
        );
    }
    list
}

fn windows(lanes: &[Lane]) -> Vec<String> {
    let mut list = Vec::new();
    if lanes.iter().any(|lane| matches!(lane, Lane::H2c | Lane::Http2)) {
        list.push(format!(
            "HTTP/2: {H2_WINDOW} bytes for the stream and for the connection, frames of 16 KiB"
        ));
    }
    list
}

fn processor(cpuinfo: &str) -> String {
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_put_into_sentences() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: A B\nflags\t: x\n"), "A B");
        assert_eq!(processor(""), "unknown");
        assert!(tcp_window("4096\t131072\t33554432", "bbr").contains("from 131072 to 33554432 bytes"));
        assert!(!tcp_window("", "").contains("bytes"));
    }
}
