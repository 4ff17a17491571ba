//! Session descriptions that come from strangers (RFC 8866), reduced to what we use of them.

use std::net::IpAddr;

use shared::limits::{SDP_MAX, SEND_MESSAGE_MAX};

use super::RtcError;

/// What a remote takes that does not say (RFC 8841, section 6).
const MAX_MESSAGE_UNSAID: usize = 64 * 1024;

/// A remote that takes less in one message than a request with its header and some room wants to be written to byte by byte.
const MAX_MESSAGE_LEAST: usize = 1024;

/// Candidates of one description that are tried. Each is paired with every address of ours, and each pair checked: what a
/// stranger's description makes us send is bounded by this.
const CANDIDATES_MAX: usize = 16;

/// A remote description that is fit to be given to the library.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Description {
    /// The text.
    pub(super) sdp: String,
    /// Most bytes that the remote takes in one message.
    pub(super) max_message: usize,
}

/// What a description is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Offer,
    Answer,
}

/// Checks a description: one data channel section and nothing else. Candidates that lead nowhere from here are left
/// out: mDNS names (the remote's own checks reach us, and are answered where they came from), TCP, addresses that are no
/// destination, and loopback unless `loopback`. Private addresses stay: most WebRTC connections of a LAN use them, and all that
/// is sent there are STUN checks that only the remote with that password answers.
pub(super) fn read(sdp: &str, kind: Kind, loopback: bool) -> Result<Description, RtcError> {
    if sdp.len() > SDP_MAX {
        return Err(RtcError::Description(format!("expected at most {SDP_MAX} bytes, got {}", sdp.len())));
    }
    if !sdp.starts_with("v=0") {
        return Err(RtcError::Description("expected v=0 in the first line".to_owned()));
    }
    let (mut kept, mut sections, mut candidates, mut fingerprint) = (Vec::new(), 0, 0, false);
    let mut max_message = None;
    for line in sdp.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if let Some(section) = line.strip_prefix("m=") {
            sections += 1;
            let mut parts = section.split(' ');
            let (kind, format) = (parts.next(), parts.nth(2));
            if kind != Some("application") || format != Some("webrtc-datachannel") {
                return Err(RtcError::Description("expected only a data channel section".to_owned()));
            }
        } else if let Some(candidate) = line.strip_prefix("a=candidate:") {
            if candidates == CANDIDATES_MAX || !leads_somewhere(candidate, loopback) {
                continue;
            }
            candidates += 1;
        } else if let Some(said) = line.strip_prefix("a=max-message-size:") {
            max_message = Some(said.trim().parse::<u64>().map_err(|_| {
                RtcError::Description("expected a number of bytes in max-message-size".to_owned())
            })?);
            continue;
        }
        if kind == Kind::Answer && line == "a=setup:actpass" {
            return Err(RtcError::Description("expected an answer to choose its part in DTLS".to_owned()));
        }
        fingerprint |= line.starts_with("a=fingerprint:");
        kept.push(line);
    }
    if sections != 1 {
        return Err(RtcError::Description(format!("expected one media section, got {sections}")));
    }
    if !fingerprint {
        return Err(RtcError::Description("expected a fingerprint".to_owned()));
    }
    // The library takes what is said here for what it may receive as well, and ends a connection on a longer message. We said
    // this much, so a remote may send it, however little it takes itself.
    let ours = format!("a=max-message-size:{SEND_MESSAGE_MAX}");
    kept.push(&ours);
    let sdp = kept.join("\r\n") + "\r\n";
    Ok(Description { sdp, max_message: most(max_message)? })
}

fn most(said: Option<u64>) -> Result<usize, RtcError> {
    match said {
        None => Ok(MAX_MESSAGE_UNSAID),
        Some(0) => Ok(SEND_MESSAGE_MAX),
        Some(said) => {
            let most = usize::try_from(said).unwrap_or(usize::MAX).min(SEND_MESSAGE_MAX);
            if most < MAX_MESSAGE_LEAST {
                let expected = format!("expected a max-message-size of {MAX_MESSAGE_LEAST} or more");
                return Err(RtcError::Description(format!("{expected}, got {most}")));
            }
            Ok(most)
        }
    }
}

/// Whether packets can be sent to a candidate (RFC 8839, section 5.1; what follows `a=candidate:`).
fn leads_somewhere(candidate: &str, loopback: bool) -> bool {
    let mut parts = candidate.split(' ');
    let transport = parts.nth(2).unwrap_or_default();
    let (address, port) = (parts.nth(1).unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let usable = match address {
        IpAddr::V4(v4) => !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    };
    transport.eq_ignore_ascii_case("udp")
        && port.parse::<u16>().is_ok_and(|port| port != 0)
        && usable
        && !address.is_unspecified()
        && !address.is_multicast()
        && (loopback || !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(lines: &[&str]) -> String {
        let head = [
            "v=0",
            "o=- 1 2 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE 0",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "c=IN IP4 0.0.0.0",
            "a=ice-ufrag:abcd",
            "a=ice-pwd:abcdefghijklmnopqrstuvwx",
            "a=fingerprint:sha-256 00:11",
            "a=setup:actpass",
            "a=mid:0",
            "a=sctp-port:5000",
        ];
        [&head[..], lines].concat().join("\r\n") + "\r\n"
    }

    fn kept(lines: &[&str], loopback: bool) -> Vec<String> {
        let read = read(&sdp(lines), Kind::Offer, loopback).unwrap();
        let candidates = read.sdp.lines().filter(|line| line.starts_with("a=candidate:"));
        candidates.map(str::to_owned).collect()
    }

    #[test]
    fn what_the_remote_takes_in_a_message_is_respected_and_ours_is_told_to_the_library() {
        for (said, expected) in [
            (None, 64 * 1024),
            (Some("262144"), 256 * 1024),
            (Some("65535"), 65_535),
            (Some("0"), 256 * 1024),
            (Some("18446744073709551615"), 256 * 1024),
        ] {
            let line = said.map(|said| format!("a=max-message-size:{said}"));
            let read =
                read(&sdp(&line.iter().map(String::as_str).collect::<Vec<_>>()), Kind::Offer, false).unwrap();
            assert_eq!(read.max_message, expected, "{said:?}");
            assert_eq!(read.sdp.matches("max-message-size").count(), 1);
            assert!(read.sdp.contains("a=max-message-size:262144\r\n"));
        }
        for refused in ["1", "1023", "-1", "many", "18446744073709551616"] {
            read(&sdp(&[&format!("a=max-message-size:{refused}")]), Kind::Offer, false).unwrap_err();
        }
    }

    #[test]
    fn candidates_that_lead_nowhere_are_left_out() {
        let lan = "a=candidate:1 1 udp 2113937151 192.168.1.7 50000 typ host generation 0";
        let v6 = "a=candidate:2 1 UDP 2113937151 fd00::9 50001 typ host";
        let reflexive = "a=candidate:3 1 udp 1677729535 203.0.113.4 50002 typ srflx raddr 0.0.0.0 rport 0";
        let here = "a=candidate:4 1 udp 2113937151 127.0.0.1 50003 typ host";
        let lines = [
            lan,
            v6,
            reflexive,
            here,
            "a=candidate:5 1 udp 2113937151 0b3c9a1e-2f55-4c9e-a8a5-3c5f6f1f8a0e.local 50004 typ host",
            "a=candidate:6 1 tcp 1518280447 192.168.1.7 9 typ host tcptype active",
            "a=candidate:7 1 udp 2113937151 0.0.0.0 50000 typ host",
            "a=candidate:8 1 udp 2113937151 224.0.0.1 50000 typ host",
            "a=candidate:9 1 udp 2113937151 255.255.255.255 50000 typ host",
            "a=candidate:10 1 udp 2113937151 192.168.1.7 0 typ host",
            "a=candidate:11 1 udp 2113937151 host.example 50000 typ host",
            "a=candidate:12 1 udp 2113937151 fe80::1 50000 typ host",
            "a=candidate:",
            "a=candidate:x",
        ];
        assert_eq!(kept(&lines, false), [lan, v6, reflexive]);
        assert_eq!(kept(&lines, true), [lan, v6, reflexive, here]);
    }

    #[test]
    fn more_candidates_than_are_tried_are_left_out() {
        let many: Vec<String> = (0..200)
            .map(|number| format!("a=candidate:{number} 1 udp 1 10.0.0.{number} 5000 typ host"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(kept(&many, false).len(), CANDIDATES_MAX);
    }

    #[test]
    fn an_answer_chooses_its_part() {
        read(&sdp(&[]), Kind::Answer, false).unwrap_err();
        for part in ["active", "passive"] {
            read(&sdp(&[]).replace("actpass", part), Kind::Answer, false).unwrap();
        }
    }

    #[test]
    fn what_is_no_data_channel_is_refused() {
        let audio = sdp(&["m=audio 9 UDP/TLS/RTP/SAVPF 111"]);
        let two = sdp(&["m=application 9 UDP/DTLS/SCTP webrtc-datachannel"]);
        let old = sdp(&[]).replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000");
        let bare = sdp(&[]).replace("a=fingerprint", "a=other");
        let long = sdp(&[&format!("a=x:{}", "y".repeat(SDP_MAX))]);
        for refused in ["", "v=0", "hello", "{\"type\":\"offer\"}", &audio, &two, &old, &bare, &long] {
            read(refused, Kind::Offer, false).unwrap_err();
        }
    }
}
