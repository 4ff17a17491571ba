//! Servers that say what they are told to say.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Everything that was asked, in order.
pub(crate) type Asked = Arc<Mutex<Vec<String>>>;

/// An HTTP server; `answer` makes the whole response from the head of the request.
pub(crate) async fn http(answer: impl Fn(&str) -> Vec<u8> + Clone + Send + 'static) -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answer.clone(), Arc::clone(&heard)));
        }
    });
    (address, asked)
}

async fn serve(mut stream: TcpStream, answer: impl Fn(&str) -> Vec<u8>, asked: Asked) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
            let response = answer(&text);
            asked.lock().push(text);
            if stream.write_all(&response).await.is_err() {
                return;
            }
        }
    }
}

/// A whole response.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Compact IPv4 peers (BEP 23).
pub(crate) fn compact(peer: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(peer) = peer else { panic!("expected an IPv4 address") };
    [&peer.ip().octets()[..], &peer.port().to_be_bytes()].concat()
}

/// A UDP tracker (BEP 15) that knows one peer.
pub(crate) async fn udp_tracker(peer: SocketAddr) -> (SocketAddr, Asked) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Asked::default();
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut packet = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let (action, transaction) = (packet[11], &packet[12..16]);
            let reply = if action == 0 {
                [&[0; 4], transaction, &[7; 8]].concat()
            } else {
                heard.lock().push(format!("{length} bytes, event {}", packet[83]));
                let head = [&[0, 0, 0, 1], transaction, &900_u32.to_be_bytes(), &[0; 8]].concat();
                [head, compact(peer)].concat()
            };
            socket.send_to(&reply, from).await.unwrap();
        }
    });
    (address, asked)
}
