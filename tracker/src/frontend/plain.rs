//! Announces and scrapes over HTTP/1.1, one after the other on a connection, without a web server in between.
//!
//! A web server spends ten times on such a request what the swarms do. So the beginning of each connection is looked at here: as
//! long as its requests are plain announces and scrapes, they are answered at once, several in one write if they came so. Whatever
//! else comes, even if it is only written differently, is left to the web server, which is given what was read.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::Rejected;
use super::http::{announced, scraped};
use crate::account::Credential;
use crate::state::AppState;

/// Longest head of a request that is kept until it is whole. Queries of announces have some 400 bytes.
const HEAD_MAX: usize = 8 * 1024;

/// Headers of a request; with more it is left to the web server.
const HEADERS_MAX: usize = 32;

/// Headers that change what is to be done, or who is asking.
const ELSEWHERE: [&str; 5] = ["transfer-encoding", "upgrade", "expect", "x-forwarded-for", "forwarded"];

/// Bytes read at once: several requests of one client.
const READ: usize = 2 * 1024;

/// Answers what is here to answer, until something else comes: then the stream is given back with what was read of it. `None` if the
/// connection is over. `answering` is called before the first answer.
pub(crate) async fn serve<IO>(
    mut stream: IO,
    remote: SocketAddr,
    state: &AppState,
    patience: Duration,
    answering: impl Fn(),
) -> Option<Rewound<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut cancelled = pin!(state.shutdown.cancelled());
    let (mut input, mut output) = (Vec::new(), Vec::new());
    let mut is_first = true;
    let mut date = Date::default();
    loop {
        input.reserve(READ);
        let read = tokio::select! {
            biased;
            read = timeout(patience, stream.read_buf(&mut input)) => read,
            () = cancelled.as_mut() => return None,
        };
        match read {
            Ok(Ok(1..)) => {}
            Ok(_) => return None,
            Err(_) => {
                if is_first {
                    state.traffic.rejections.add(Rejected::HeaderTimeout);
                }
                return None;
            }
        }
        let mut taken = 0;
        let (is_other, is_last) = loop {
            let (asked, length, is_last) = match Head::read(&input[taken..]) {
                Head::Whole { asked, length, is_last } => (asked, length, is_last),
                Head::Part if input.len() - taken < HEAD_MAX => break (false, false),
                Head::Part | Head::Other => break (true, false),
            };
            if is_first {
                answering();
            }
            let reply = match asked {
                Asked::Announce(query) => announced(state, remote, Credential::default(), query),
                Asked::Scrape(query) => scraped(state, remote, Credential::default(), query),
            };
            let (body, is_last) = match reply {
                Ok(body) => (body, is_last),
                Err(too_many) => (too_many.reply(state), true),
            };
            date.write_response(&mut output, &body, is_last);
            is_first = false;
            taken += length;
            if is_last {
                break (false, true);
            }
        };
        if !output.is_empty() {
            // Others are read first: whoever waits for several answers is then woken once.
            yield_now().await;
            stream.write_all(&output).await.ok()?;
            output.clear();
        }
        if is_last {
            let _ = stream.shutdown().await;
            return None;
        }
        input.drain(..taken);
        if is_other {
            return Some(Rewound { read: input, stream });
        }
        if input.is_empty() {
            // An idle connection holds no buffers.
            (input, output) = (Vec::new(), Vec::new());
        }
    }
}

/// What is asked, with the query of the URL.
#[derive(Debug, PartialEq, Eq)]
enum Asked<'a> {
    Announce(&'a str),
    Scrape(&'a str),
}

/// The beginning of what was read.
#[derive(Debug, PartialEq, Eq)]
enum Head<'a> {
    /// A request to be answered here, of so many bytes, and whether the client wants no more.
    Whole { asked: Asked<'a>, length: usize, is_last: bool },
    /// What may become one.
    Part,
    /// Anything else.
    Other,
}

impl<'a> Head<'a> {
    fn read(input: &'a [u8]) -> Self {
        const ANNOUNCE: &[u8] = b"GET /announce?";
        const SCRAPE: &[u8] = b"GET /scrape?";
        let may_become = |begin: &[u8]| input.iter().zip(begin).all(|(is, may)| is == may);
        if !may_become(ANNOUNCE) && !may_become(SCRAPE) {
            return Self::Other;
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(input) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Self::Part,
            Err(_) => return Self::Other,
        };
        let (Some(path), Some(1)) = (request.path, request.version) else { return Self::Other };
        let asked = match (path.strip_prefix("/announce?"), path.strip_prefix("/scrape?")) {
            (Some(query), _) => Asked::Announce(query),
            (_, Some(query)) => Asked::Scrape(query),
            (None, None) => return Self::Other,
        };
        let mut is_last = false;
        for header in request.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("connection") {
                match header.value.to_ascii_lowercase().as_slice() {
                    b"close" => is_last = true,
                    b"keep-alive" => {}
                    _ => return Self::Other,
                }
            } else if is("content-length") {
                if header.value != b"0" {
                    return Self::Other;
                }
            } else if ELSEWHERE.into_iter().any(is) {
                return Self::Other;
            }
        }
        // What no URL of a request has is not decided upon here.
        if path.contains('#') { Self::Other } else { Self::Whole { asked, length, is_last } }
    }
}

/// The time as responses have it, written anew once a second.
#[derive(Debug, Default)]
struct Date {
    second: u64,
    text: String,
}

impl Date {
    fn write_response(&mut self, out: &mut Vec<u8>, body: &[u8], is_last: bool) {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second != self.second {
            self.text = httpdate::fmt_http_date(now);
            self.second = second;
        }
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\ndate: ");
        out.extend_from_slice(self.text.as_bytes());
        if is_last {
            out.extend_from_slice(b"\r\nconnection: close");
        }
        out.extend_from_slice(b"\r\ncontent-length: ");
        out.extend_from_slice(body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body);
    }
}

/// A stream, the first bytes of which have been read already and are read again.
#[derive(Debug)]
pub(crate) struct Rewound<S> {
    read: Vec<u8>,
    stream: S,
}

impl<S> Rewound<S> {
    /// A stream of which nothing has been read.
    pub(crate) const fn new(stream: S) -> Self {
        Self { read: Vec::new(), stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..length]);
        self.read.drain(..length);
        if self.read.is_empty() {
            self.read = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(line: &str, headers: &str) -> String {
        format!("{line} HTTP/1.1\r\nhost: tracker.example\r\n{headers}\r\n")
    }

    #[test]
    fn plain_announces_and_scrapes_are_answered_here() {
        let announce = request("GET /announce?info_hash=%01&port=1", "User-Agent: x\r\n");
        let whole = Head::Whole {
            asked: Asked::Announce("info_hash=%01&port=1"),
            length: announce.len(),
            is_last: false,
        };
        assert_eq!(Head::read(announce.as_bytes()), whole);
        assert_eq!(Head::read(format!("{announce}{announce}").as_bytes()), whole, "the next follows");
        let last = request("GET /scrape?", "Connection: Close\r\nContent-Length: 0\r\n");
        let whole = Head::Whole { asked: Asked::Scrape(""), length: last.len(), is_last: true };
        assert_eq!(Head::read(last.as_bytes()), whole);
        for length in 0..announce.len() {
            assert_eq!(Head::read(&announce.as_bytes()[..length]), Head::Part, "{length}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_web_server() {
        for (line, headers) in [
            ("GET /", ""),
            ("GET /announce", ""),
            ("GET /announced?x", ""),
            ("POST /announce?x", ""),
            ("get /announce?x", ""),
            ("GET /announce?x", "Upgrade: websocket\r\nConnection: upgrade\r\n"),
            ("GET /announce?x", "Connection: keep-alive, upgrade\r\n"),
            ("GET /announce?x", "Content-Length: 5\r\n"),
            ("GET /announce?x", "Transfer-Encoding: chunked\r\n"),
            ("GET /announce?x", "Expect: 100-continue\r\n"),
            ("GET /announce?x", "X-Forwarded-For: 192.0.2.1\r\n"),
            ("GET /announce?x", "no colon\r\n"),
            ("GET /announce?x#y", ""),
        ] {
            assert_eq!(Head::read(request(line, headers).as_bytes()), Head::Other, "{line} {headers}");
        }
        assert_eq!(Head::read(b"GET /announce?x HTTP/1.0\r\n\r\n"), Head::Other);
        assert_eq!(Head::read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Head::Other);
        assert_eq!(Head::read(request("GET /announce?x", &"a: b\r\n".repeat(40)).as_bytes()), Head::Other);
    }

    #[tokio::test]
    async fn what_was_read_is_read_again() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut stream = Rewound { read: b"GET /fi".to_vec(), stream: near };
        far.write_all(b"les/").await.unwrap();
        drop(far);
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "GET /files/");
    }

    proptest! {
        #[test]
        fn no_head_panics(input: Vec<u8>) {
            let _ = Head::read(&input);
            let _ = Head::read(&[b"GET /announce?".as_slice(), &input].concat());
        }
    }
}
