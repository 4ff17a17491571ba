use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use shared::engine::{ClosedBy, Input};
use shared::id::ConnId;
use shared::limits::{SEND_BUFFER_HIGH, SEND_MESSAGE_MAX};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Options, Rtc};
use crate::net::counters::Counters;
use crate::net::transport::{DataTransport as _, Reports};

const WITHIN: Duration = Duration::from_secs(20);

/// One host: its connections and what the engine would hear of them.
struct Side {
    rtc: Rtc,
    inputs: mpsc::Receiver<Input>,
    counters: Arc<Counters>,
}

impl Side {
    fn new() -> Self {
        Self::with(Options { loopback: true, ..Options::default() })
    }

    fn with(options: Options) -> Self {
        let (sender, inputs) = mpsc::channel(64);
        let counters: Arc<Counters> = Arc::default();
        let reports = Reports::new(sender, Arc::clone(&counters));
        Self { rtc: Rtc::new(options, reports), inputs, counters }
    }

    async fn hear(&mut self) -> Input {
        timeout(WITHIN, self.inputs.recv()).await.expect("nothing was heard").expect("the host is gone")
    }

    async fn opened(&mut self) -> usize {
        match self.hear().await {
            Input::ConnectionOpened { max_message, .. } => max_message,
            other => panic!("expected ConnectionOpened, got {other:?}"),
        }
    }

    async fn closed(&mut self) -> ClosedBy {
        loop {
            if let Input::ConnectionClosed { by, .. } = self.hear().await {
                return by;
            }
        }
    }

    /// Waits until no connection is left.
    async fn idle(&self) {
        for _ in 0..1_000 {
            if self.rtc.connections() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} connections are left", self.rtc.connections());
    }
}

async fn introduce(a: &Side, b: &Side, conn: ConnId) {
    let offer = a.rtc.offer(conn).await.unwrap();
    let answer = b.rtc.answer(conn, offer).await.unwrap();
    a.rtc.accept(conn, answer).await.unwrap();
}

async fn pair(a: &mut Side, b: &mut Side) {
    introduce(a, b, ConnId(1)).await;
    assert_eq!(a.opened().await, SEND_MESSAGE_MAX);
    assert_eq!(b.opened().await, SEND_MESSAGE_MAX);
}

/// The `number`th message of a sender, different for each.
fn message(seed: u8, number: usize, length: usize) -> BytesMut {
    let mut data = BytesMut::zeroed(length);
    for (place, byte) in data.iter_mut().enumerate() {
        *byte = (place as u8).wrapping_mul(31) ^ (number as u8) ^ seed ^ (number >> 8) as u8;
    }
    data
}

/// Sends as the engine does, and receives, until both are done. Gives the hashes of what was sent and received.
async fn exchange(mut side: Side, seed: u8, total: usize, length: usize) -> (Side, [u8; 32], [u8; 32]) {
    let (mut sent, mut received, mut buffered) = (0, 0, 0);
    let (mut out, mut into) = (Sha256::new(), Sha256::new());
    while sent < total || received < total {
        while sent < total && buffered < SEND_BUFFER_HIGH {
            let data = message(seed, sent / length, length.min(total - sent));
            out.update(&data);
            sent += data.len();
            buffered += data.len();
            side.rtc.send(ConnId(1), data.freeze());
        }
        // What fits below the threshold is told of by nobody.
        if sent == total && received == total {
            break;
        }
        match side.hear().await {
            Input::ConnectionData { data, .. } => {
                received += data.len();
                into.update(&data);
            }
            Input::ConnectionWritable { buffered: waits, .. } => buffered = waits,
            other => panic!("{sent} sent, {received} received: {other:?}"),
        }
    }
    (side, out.finalize().into(), into.finalize().into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_arrive_both_ways_as_they_were_sent() {
    let (mut a, mut b) = (Side::new(), Side::new());
    pair(&mut a, &mut b).await;
    let total = 64_000_000;
    let other = tokio::spawn(exchange(b, 7, total, 16 * 1024 + 13));
    let (a, a_sent, a_received) = exchange(a, 9, total, SEND_MESSAGE_MAX).await;
    let (b, b_sent, b_received) = other.await.unwrap();
    assert_eq!((a_sent, b_sent), (b_received, a_received));
    let totals = a.counters.totals();
    assert_eq!((totals.channel.sent, totals.channel.received), (total as u64, total as u64));
    assert_eq!(totals.messages.sent, total.div_ceil(SEND_MESSAGE_MAX) as u64);
    assert!(totals.datagram.sent > total as u64 && totals.datagram.received > total as u64);
    assert!(totals.datagrams.sent > total as u64 / 1_500);
    drop(b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_a_close_arrives_and_the_close_is_heard() {
    for slow in [0, 800] {
        close_after_sending(slow).await;
    }
}

async fn close_after_sending(slow: u64) {
    let (mut a, mut b) = (Side::new(), Side::new());
    pair(&mut a, &mut b).await;
    for number in 0..200 {
        a.rtc.send(ConnId(1), message(1, number, 16 * 1024).freeze());
    }
    a.rtc.close(ConnId(1));
    // Whoever is slow to take things in loses none of them: 64 reports fit into the queue, the rest waits behind the channel.
    tokio::time::sleep(Duration::from_millis(slow)).await;
    let mut received = 0;
    let by = loop {
        match b.hear().await {
            Input::ConnectionData { data, .. } => received += data.len(),
            Input::ConnectionClosed { by, .. } => break by,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((received, by), (200 * 16 * 1024, ClosedBy::Remote));
    a.idle().await;
    b.idle().await;
    // Who closes hears nothing of it.
    assert!(!matches!(a.inputs.try_recv(), Ok(Input::ConnectionClosed { .. })));
    b.rtc.send(ConnId(1), Bytes::from_static(b"too late"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_goes_away_ends_its_connections() {
    let (mut a, mut b) = (Side::new(), Side::new());
    pair(&mut a, &mut b).await;
    drop(a);
    assert_eq!(b.closed().await, ClosedBy::Remote);
    b.idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_leave_nothing_behind() {
    let before = Handle::current().metrics().num_alive_tasks();
    let (mut a, mut b) = (Side::new(), Side::new());
    let mut next = 0;
    for _ in 0..15 {
        let conns: Vec<ConnId> = (next..next + 20).map(ConnId).collect();
        next += 20;
        for conn in &conns {
            introduce(&a, &b, *conn).await;
        }
        let mut open: HashMap<ConnId, ()> = HashMap::new();
        while open.len() < 20 {
            match a.hear().await {
                Input::ConnectionOpened { conn, .. } => drop(open.insert(conn, ())),
                other => panic!("{other:?}"),
            }
        }
        for (number, conn) in conns.iter().enumerate() {
            // Either side, so that both ways of ending are seen.
            if number % 2 == 0 { a.rtc.close(*conn) } else { b.rtc.close(*conn) }
        }
        while b.rtc.connections() > 0 || a.rtc.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            while a.inputs.try_recv().is_ok() {}
            while b.inputs.try_recv().is_ok() {}
        }
    }
    for _ in 0..200 {
        if Handle::current().metrics().num_alive_tasks() == before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} tasks, {before} before", Handle::current().metrics().num_alive_tasks());
}

#[tokio::test]
async fn an_offer_that_nobody_answers_is_closed_without_a_word() {
    let mut a = Side::new();
    a.rtc.offer(ConnId(1)).await.unwrap();
    a.rtc.close(ConnId(1));
    // And one that has no description yet.
    let offer = a.rtc.offer(ConnId(2));
    a.rtc.close(ConnId(2));
    assert_eq!(offer.await.unwrap_err().to_string(), "the connection is gone");
    a.idle().await;
    assert!(a.inputs.try_recv().is_err());
}

#[tokio::test]
async fn there_are_no_more_connections_than_options_allow() {
    let a = Side::with(Options { loopback: true, connections_max: 2, ..Options::default() });
    a.rtc.offer(ConnId(1)).await.unwrap();
    a.rtc.offer(ConnId(2)).await.unwrap();
    let refused = a.rtc.offer(ConnId(3)).await.unwrap_err();
    assert_eq!(refused.to_string(), "there are 2 connections already");
    a.rtc.close(ConnId(1));
    for _ in 0..500 {
        if a.rtc.connections() < 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    a.rtc.offer(ConnId(4)).await.unwrap();
}

#[tokio::test]
async fn a_description_is_one_data_channel_with_candidates() {
    for options in [Options { loopback: true, ..Options::default() }, Options::default()] {
        let a = Side::with(options.clone());
        let offer = a.rtc.offer(ConnId(1)).await.unwrap();
        assert_eq!(offer.matches("\r\nm=").count(), 1, "{offer}");
        for part in [
            "\r\nm=application ",
            "webrtc-datachannel",
            "\r\na=fingerprint:sha-256 ",
            "\r\na=setup:actpass\r\n",
            "\r\na=max-message-size:262144\r\n",
            "\r\na=candidate:",
            "\r\na=end-of-candidates",
        ] {
            assert!(offer.contains(part), "{part:?} in {offer}");
        }
        assert_eq!(offer.contains("127.0.0.1 "), options.loopback, "{offer}");
    }
}

#[tokio::test]
async fn descriptions_that_are_none_are_refused() {
    let (a, b) = (Side::new(), Side::new());
    let offer = a.rtc.offer(ConnId(1)).await.unwrap();
    // Nobody answers an offer with an offer, or takes an answer for one.
    for text in ["", "v=0", "{\"type\":\"answer\"}", offer.as_str()] {
        a.rtc.accept(ConnId(1), text.to_owned()).await.unwrap_err();
    }
    a.rtc.accept(ConnId(9), offer.clone()).await.unwrap_err();
    let bare = offer.replace("a=ice-pwd:", "a=other:");
    b.rtc.answer(ConnId(2), bare).await.unwrap_err();
    b.idle().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any part of a good description replaced, removed or repeated is taken or refused, and leaves nothing behind.
    #[test]
    fn descriptions_of_strangers_end_in_an_answer_or_an_error(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..5, "[ -~]{0,24}"), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (a, b) = (Side::new(), Side::new());
            let offer = a.rtc.offer(ConnId(1)).await.unwrap();
            let mut lines: Vec<String> = offer.lines().map(str::to_owned).collect();
            for (place, kind, text) in &edits {
                let place = place.index(lines.len());
                match kind {
                    0 => drop(lines.remove(place)),
                    1 => lines.insert(place, text.clone()),
                    2 => lines.insert(place, lines[place].clone()),
                    3 => {
                        let name = lines[place].split(':').next().unwrap_or_default().to_owned();
                        lines[place] = format!("{name}:{text}");
                    }
                    _ => {
                        let half = lines[place].len() / 2;
                        lines[place].truncate(half);
                    }
                }
                if lines.is_empty() {
                    break;
                }
            }
            let edited = lines.join("\r\n") + "\r\n";
            if b.rtc.answer(ConnId(2), edited.clone()).await.is_ok() {
                b.rtc.close(ConnId(2));
            }
            // As an answer it is as strange.
            let _ = a.rtc.accept(ConnId(1), edited.replace("actpass", "active")).await;
            a.rtc.close(ConnId(1));
            b.idle().await;
            a.idle().await;
        });
    }
}
