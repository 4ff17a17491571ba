//! A native data channel and one of a page, introduced to each other by hand.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use peer::net::counters::Counters;
use peer::net::rtc::{Options, Rtc};
use peer::net::transport::{DataTransport as _, Reports};
use serde::Deserialize;
use serde_json::json;
use shared::engine::{ClosedBy, Input};
use shared::id::ConnId;
use shared::limits::SEND_BUFFER_HIGH;
use tokio::sync::mpsc;

use crate::browser::Tab;

const CONN: ConnId = ConnId(1);
const WITHIN: Duration = Duration::from_secs(30);

/// What the page does: one connection, everything received counted and summed.
const PAGE: &str = r#"window.far = (() => {
    const pc = new RTCPeerConnection();
    const far = { pc, received: 0, sum: 0, closed: false, label: "" };
    const take = (channel) => {
        far.channel = channel;
        far.label = channel.label;
        channel.binaryType = "arraybuffer";
        channel.onmessage = ({ data }) => {
            const bytes = new Uint8Array(data);
            far.received += bytes.length;
            for (let at = 0; at < bytes.length; at += 997) far.sum = (far.sum * 31 + bytes[at]) % 1000003;
        };
        channel.onclose = () => { far.closed = true; };
    };
    pc.ondatachannel = ({ channel }) => take(channel);
    const describe = async (description) => {
        await pc.setLocalDescription(description);
        if (pc.iceGatheringState !== "complete")
            await new Promise((done) => { pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done(); });
        return pc.localDescription.sdp;
    };
    far.offer = async () => { take(pc.createDataChannel("0123456789abcdef0123456789abcdef01234567")); return describe(await pc.createOffer()); };
    far.answer = async (sdp) => { await pc.setRemoteDescription({ type: "offer", sdp }); return describe(await pc.createAnswer()); };
    far.accept = async (sdp) => { await pc.setRemoteDescription({ type: "answer", sdp }); return true; };
    far.send = async (total, length) => {
        const channel = far.channel;
        channel.bufferedAmountLowThreshold = 524288;
        let sum = 0, sent = 0;
        while (sent < total) {
            const bytes = new Uint8Array(Math.min(length, total - sent));
            for (let at = 0; at < bytes.length; at += 997) { bytes[at] = (sent + at) % 251; }
            channel.send(bytes);
            sent += bytes.length;
            if (channel.bufferedAmount > 1048576)
                await new Promise((low) => { channel.onbufferedamountlow = low; });
        }
        return true;
    };
    return far;
})(), true"#;

/// Which side makes the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offerer {
    /// The native side.
    Native,
    /// The page.
    Page,
}

/// Two ends of an open channel.
pub struct Pair<'a> {
    tab: &'a Tab,
    rtc: Rtc,
    inputs: mpsc::Receiver<Input>,
    /// Longest message that the page takes.
    pub max_message: usize,
    /// The page's description.
    pub far_sdp: String,
}

#[derive(Debug, Deserialize)]
struct Far {
    received: u64,
    sum: u64,
    closed: bool,
}

impl<'a> Pair<'a> {
    /// Connects; the tab has to show a page of its own.
    pub async fn open(tab: &'a Tab, offerer: Offerer, options: Options) -> Result<Self> {
        let (sender, inputs) = mpsc::channel(64);
        let rtc = Rtc::new(options, Reports::new(sender, Arc::new(Counters::default())));
        tab.eval::<bool>(PAGE).await?;
        let far_sdp: String = match offerer {
            Offerer::Native => {
                let offer = rtc.offer(CONN).await?;
                let answer: String = tab.eval(&format!("far.answer({})", json!(offer))).await?;
                rtc.accept(CONN, answer.clone()).await?;
                answer
            }
            Offerer::Page => {
                let offer: String = tab.eval("far.offer()").await?;
                let answer = rtc.answer(CONN, offer.clone()).await?;
                tab.eval::<bool>(&format!("far.accept({})", json!(answer))).await?;
                offer
            }
        };
        let mut pair = Self { tab, rtc, inputs, max_message: 0, far_sdp };
        match pair.hear().await? {
            Input::ConnectionOpened { max_message, .. } => pair.max_message = max_message,
            other => bail!("expected an open channel, got {other:?}"),
        }
        tab.wait::<bool>("open channel", "far.channel?.readyState === 'open'", WITHIN).await?;
        Ok(pair)
    }

    async fn hear(&mut self) -> Result<Input> {
        let input = tokio::time::timeout(WITHIN, self.inputs.recv()).await.context("nothing was heard")?;
        input.context("the transport ended")
    }

    /// Sends `total` bytes to the page in messages of `length`; waits for the last.
    pub async fn send(&mut self, total: usize, length: usize) -> Result<()> {
        let before: Far = self.far().await?;
        let (mut sent, mut buffered, mut sum) = (0, 0, before.sum);
        while sent < total {
            while sent < total && buffered < SEND_BUFFER_HIGH {
                let mut data = vec![0; length.min(total - sent)];
                for at in (0..data.len()).step_by(997) {
                    data[at] = ((sent + at) % 251) as u8;
                    sum = (sum * 31 + u64::from(data[at])) % 1_000_003;
                }
                sent += data.len();
                buffered += data.len();
                self.rtc.send(CONN, data.into());
            }
            if buffered >= SEND_BUFFER_HIGH {
                match self.hear().await? {
                    Input::ConnectionWritable { buffered: waits, .. } => buffered = waits,
                    other => bail!("after {sent} bytes: {other:?}"),
                }
            }
        }
        let expected = before.received + total as u64;
        self.tab.wait::<bool>("last byte", &format!("far.received === {expected}"), WITHIN).await?;
        let far = self.far().await?;
        ensure!(far.sum == sum, "the page got other bytes than were sent");
        Ok(())
    }

    /// Has the page send `total` bytes in messages of `length`; waits for the last.
    pub async fn receive(&mut self, total: usize, length: usize) -> Result<()> {
        let tab = self.tab.clone();
        let send = format!("far.send({total}, {length})");
        let sending = tokio::spawn(async move { tab.eval::<bool>(&send).await });
        let mut received = 0;
        while received < total {
            match self.hear().await? {
                Input::ConnectionData { data, .. } => {
                    for at in (0..data.len()).step_by(997) {
                        ensure!(data[at] == ((received + at) % 251) as u8, "byte {} differs", received + at);
                    }
                    received += data.len();
                }
                Input::ConnectionWritable { .. } => {}
                other => bail!("after {received} bytes: {other:?}"),
            }
        }
        sending.await??;
        Ok(())
    }

    /// Sends `total` bytes and closes at once: the page gets them all, and the close.
    pub async fn send_and_close(self, total: usize, length: usize) -> Result<()> {
        let before = self.far().await?;
        for at in (0..total).step_by(length) {
            self.rtc.send(CONN, vec![7; length.min(total - at)].into());
        }
        self.rtc.close(CONN);
        self.tab.wait::<bool>("closed channel", "far.closed", WITHIN).await?;
        let far = self.far().await?;
        ensure!(far.closed && far.received == before.received + total as u64, "{far:?}, {total} were sent");
        Ok(())
    }

    /// Has the page close with `how`; waits until that is heard.
    pub async fn closed_by_page(mut self, how: &str) -> Result<()> {
        self.tab.eval::<bool>(&format!("({how}, true)")).await?;
        loop {
            match self.hear().await? {
                Input::ConnectionClosed { by: ClosedBy::Remote, .. } => return Ok(()),
                Input::ConnectionWritable { .. } => {}
                other => bail!("expected a close by the remote, got {other:?}"),
            }
        }
    }

    async fn far(&self) -> Result<Far> {
        self.tab.eval("(({ received, sum, closed }) => ({ received, sum, closed }))(far)").await
    }
}
