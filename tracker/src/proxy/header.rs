//! The PROXY protocol, versions 1 and 2: what a proxy that passes TCP on says before all else, so that the server learns
//! whose connection it is (`proxy-protocol.txt` of HAProxy).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What version 2 begins with, and as many bytes as are read before it is known which version it is.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Longest header of version 1, its line end included; the specification's figure.
const V1_MAX: usize = 107;

/// Longest part behind the fixed head of version 2 that is read: addresses, and what proxies add (the longest is a
/// certificate's name). What is longer comes from no proxy that is in use.
const V2_MAX: usize = 4_096;

/// Why a connection has no usable header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    /// The connection broke, or ended.
    #[error("the connection ended within the PROXY header: {0}")]
    Read(#[from] std::io::Error),
    /// It begins with something else.
    #[error(
        "expected a PROXY header, found something else; --proxy-protocol wants one of each trusted proxy"
    )]
    Missing,
    /// A line of version 1 without its end.
    #[error("expected a PROXY header of at most {V1_MAX} bytes, found no line end")]
    Endless,
    /// A line of version 1 that says something else.
    #[error("expected `PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT`, found {0:?}")]
    Line(String),
    /// Another version, or a command that does not exist.
    #[error("expected version 2 with command 0 or 1, found {0:#04x}")]
    Command(u8),
    /// Longer than any proxy's, or too short for its addresses.
    #[error("expected a PROXY header with {0} to {V2_MAX} bytes behind its head, found {1}")]
    Length(usize, usize),
}

/// Reads the header, and not a byte of what follows. The connection's source; `None` where the proxy speaks for itself
/// (health checks), or the source has no address on the internet.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<SocketAddr>, HeaderError> {
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        return read_v2(stream).await;
    }
    if !start.starts_with(b"PROXY ") {
        return Err(HeaderError::Missing);
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == V1_MAX {
            return Err(HeaderError::Endless);
        }
        // One byte at a time, since what follows is not ours to take. Proxies write it at once.
        line.push(stream.read_u8().await?);
    }
    let text = line.strip_suffix(b"\r\n").unwrap_or(&line);
    parse_v1(text).ok_or_else(|| HeaderError::Line(String::from_utf8_lossy(text).into_owned()))
}

async fn read_v2<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<SocketAddr>, HeaderError> {
    let (command, family) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = usize::from(stream.read_u16().await?);
    if length > V2_MAX {
        return Err(HeaderError::Length(0, length));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    parse_v2(command, family, &rest)
}

/// A line of version 1, without its end. The outer `None` is for a wrong one, the inner for an unknown source.
fn parse_v1(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = core::str::from_utf8(line).ok()?;
    let rest = line.strip_prefix("PROXY ")?;
    // Whatever stands behind UNKNOWN is to be passed over.
    if rest == "UNKNOWN" || rest.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let [family, source, destination, port, to] = rest.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok())?;
    let (source, port) = (address(source)?, number(port)?);
    let (_, _) = (address(destination)?, number(to)?);
    Some(Some(SocketAddr::new(source.to_canonical(), port)))
}

/// What stands behind the signature of version 2.
fn parse_v2(command: u8, family: u8, rest: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    match command {
        0x20 => return Ok(None),
        0x21 => {}
        other => return Err(HeaderError::Command(other)),
    }
    let short = |expected| HeaderError::Length(expected, rest.len());
    let source = match family {
        // TCP over IPv4: both addresses, then both ports.
        0x11 => {
            let fields: &[u8; 12] = rest.first_chunk().ok_or_else(|| short(12))?;
            let [a, b, c, d, _, _, _, _, port @ .., _, _] = *fields;
            SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes(port))
        }
        0x21 => {
            let fields: &[u8; 36] = rest.first_chunk().ok_or_else(|| short(36))?;
            let mut source = [0; 16];
            source.copy_from_slice(&fields[..16]);
            let port = u16::from_be_bytes([fields[32], fields[33]]);
            SocketAddr::new(IpAddr::from(source).to_canonical(), port)
        }
        _ => return Ok(None),
    };
    Ok(Some(source))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of `bytes`, and what is left of them.
    fn read_all(bytes: &[u8]) -> (Result<Option<SocketAddr>, HeaderError>, Vec<u8>) {
        let mut stream = bytes;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(read(&mut stream));
        (result, stream.to_vec())
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend((rest.len() as u16).to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn a_line_names_the_source_and_nothing_behind_it_is_taken() {
        for (line, source) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443", Some("192.0.2.1:56324")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535", Some("[2001:db8::1]:1")),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", Some("192.0.2.1:1")),
            ("PROXY UNKNOWN", None),
            ("PROXY UNKNOWN ffff::1 what ever", None),
        ] {
            let (read, left) = read_all(format!("{line}\r\nGET / HTTP/1.1\r\n").as_bytes());
            assert_eq!(read.unwrap(), source.map(|source| source.parse().unwrap()), "{line}");
            assert_eq!(left, b"GET / HTTP/1.1\r\n");
        }
    }

    #[test]
    fn a_line_that_is_wrong_is_refused() {
        for line in [
            "GET / HTTP/1.1",
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324",
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1",
            "PROXY TCP4 192.0.2.1  198.51.100.2 56324 443",
            "PROXY TCP4 2001:db8::1 198.51.100.2 1 2",
            "PROXY TCP6 192.0.2.1 198.51.100.2 1 2",
            "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443",
            "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443",
            "PROXY UDP4 192.0.2.1 198.51.100.2 1 2",
            "PROXY UNKNOWNS",
            &format!("PROXY UNKNOWN {}", "x".repeat(100)),
        ] {
            let (read, _) = read_all(format!("{line}\r\nrest").as_bytes());
            assert!(read.is_err(), "{line}");
        }
        assert!(matches!(read_all(b"PROXY TCP4 1.2.3.4").0, Err(HeaderError::Read(_))));
    }

    #[test]
    fn version_2_names_the_source_and_nothing_behind_it_is_taken() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 1, 187];
        let with_more = [&v4[..], &[4, 0, 1, 9]].concat();
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        v6[32..34].copy_from_slice(&[1, 0]);
        for (bytes, source) in [
            (v2(0x21, 0x11, &v4), Some("192.0.2.1:56324")),
            (v2(0x21, 0x11, &with_more), Some("192.0.2.1:56324")),
            (v2(0x21, 0x21, &v6), Some("[2001:db8::]:256")),
            (v2(0x20, 0x11, &v4), None),
            (v2(0x20, 0, &[]), None),
            (v2(0x21, 0, &[]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let (read, left) = read_all(&[&bytes[..], b"rest"].concat());
            assert_eq!(read.unwrap(), source.map(|source| source.parse().unwrap()));
            assert_eq!(left, b"rest");
        }
        for wrong in [
            v2(0x11, 0x11, &v4),
            v2(0x22, 0x11, &v4),
            v2(0x21, 0x11, &v4[..11]),
            v2(0x21, 0x21, &v6[..35]),
            v2(0x21, 0x11, &[0; V2_MAX + 1]),
        ] {
            assert!(read_all(&wrong).0.is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_more_than_refused(start in 0_usize..3, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let starts: [&[u8]; 3] = [b"", b"PROXY TCP4 ", &SIGNATURE];
            let _ = read_all(&[starts[start], &bytes].concat());
        }
    }
}
