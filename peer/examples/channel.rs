//! How fast bytes go through a data channel between two processes of this machine, each on a core of its own: through the
//! library alone, and through our transport around it.
//!
//! `cargo run --release -p peer --example channel -- [megabytes]`

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::{Bytes, BytesMut};
use peer::net::counters::{Counters, Totals};
use peer::net::rtc::{Options, Rtc};
use peer::net::transport::{DataTransport as _, Reports};
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use rustix::thread::CpuSet;
use serde::{Deserialize, Serialize};
use shared::engine::Input;
use shared::id::ConnId;
use shared::limits::{SEND_BUFFER_HIGH, SEND_MESSAGE_MAX};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCSessionDescription, SettingEngineBuilder,
};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    /// The library by itself, with the settings and socket buffers that we give it.
    Library,
    /// Our transport.
    Transport,
}

/// One measurement, as the sender tells the receiver.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Plan {
    way: Way,
    message: usize,
    total: usize,
}

/// What the receiver found.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Found {
    cpu: f64,
    totals: Totals,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    let receiver = first.as_deref() == Some("receive");
    pin(usize::from(receiver))?;
    // One core, one thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if receiver {
        let address = arguments.next().context("expected an address after receive")?;
        return runtime.block_on(receive(address.parse()?));
    }
    let megabytes: usize =
        first.as_deref().unwrap_or("256").parse().context("expected a number of megabytes")?;
    runtime.block_on(measure(megabytes * 1_000_000))
}

fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &cores)?)
}

/// Seconds of processor time of this process so far.
fn cpu() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit_once(") ").context("expected a name in /proc/self/stat")?.1;
    let mut fields = after.split(' ').skip(11);
    let mut ticks = || {
        fields
            .next()
            .context("expected 52 fields in /proc/self/stat")?
            .parse::<f64>()
            .map_err(anyhow::Error::from)
    };
    Ok((ticks()? + ticks()?) / 100.0)
}

/// Lines of JSON between the two processes.
struct Talk(BufReader<TcpStream>);

impl Talk {
    async fn say<T: Serialize>(&mut self, what: &T) -> Result<()> {
        let line = serde_json::to_string(what)? + "\n";
        Ok(self.0.write_all(line.as_bytes()).await?)
    }

    async fn hear<T: for<'a> Deserialize<'a>>(&mut self) -> Result<Option<T>> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }

    async fn expect<T: for<'a> Deserialize<'a>>(&mut self) -> Result<T> {
        self.hear().await?.context("the other process ended")
    }
}

async fn measure(total: usize) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["receive", &listener.local_addr()?.to_string()])
        .stdin(Stdio::null())
        .spawn()?;
    let mut talk = Talk(BufReader::new(listener.accept().await?.0));
    println!("{} MB a way; CPU seconds a GB\n", total / 1_000_000);
    println!("way        message      MB/s  sender  receiver  overhead  datagrams back");
    for message in [16 * 1024, 64 * 1024, 256 * 1024] {
        for way in [Way::Library, Way::Transport] {
            let plan = Plan { way, message, total };
            talk.say(&plan).await?;
            let before = cpu()?;
            let took = match way {
                Way::Library => library_send(&mut talk, plan).await?,
                Way::Transport => transport_send(&mut talk, plan).await?,
            };
            let found: Found = talk.expect().await?;
            let (seconds, sender) = (took.as_secs_f64(), cpu()? - before);
            let (bytes, gigabytes) = (found.totals.datagram.received as f64, total as f64 / 1e9);
            println!(
                "{:10} {:3} KiB {:9.1}  {:6.2}  {:8.2}  {:7.2} %  {:14}",
                format!("{way:?}"),
                message / 1024,
                total as f64 / 1e6 / seconds,
                sender / gigabytes,
                found.cpu / gigabytes,
                (bytes / total as f64 - 1.0).max(0.0) * 100.0,
                found.totals.datagrams.sent,
            );
        }
    }
    drop(talk);
    child.wait()?;
    Ok(())
}

async fn receive(address: SocketAddr) -> Result<()> {
    let mut talk = Talk(BufReader::new(TcpStream::connect(address).await?));
    while let Some(plan) = talk.hear::<Plan>().await? {
        let before = cpu()?;
        let totals = match plan.way {
            Way::Library => library_receive(&mut talk, plan).await?,
            Way::Transport => transport_receive(&mut talk, plan).await?,
        };
        talk.say(&Found { cpu: cpu()? - before, totals }).await?;
    }
    Ok(())
}

const CONN: ConnId = ConnId(1);

fn transport() -> (Rtc, mpsc::Receiver<Input>, Arc<Counters>) {
    let (sender, inputs) = mpsc::channel(64);
    let counters: Arc<Counters> = Arc::default();
    let options = Options { loopback: true, ..Options::default() };
    (Rtc::new(options, Reports::new(sender, Arc::clone(&counters))), inputs, counters)
}

/// Answers how long it took from the opened channel on; so does its counterpart.
async fn transport_send(talk: &mut Talk, plan: Plan) -> Result<Duration> {
    let (rtc, mut inputs, _) = transport();
    talk.say(&rtc.offer(CONN).await?).await?;
    rtc.accept(CONN, talk.expect().await?).await?;
    let (mut sent, mut buffered, mut open) = (0, 0, None);
    loop {
        // What is sent is its only handle, as a block that was read from a file is.
        while open.is_some() && sent < plan.total && buffered < SEND_BUFFER_HIGH {
            let data = Bytes::from(vec![0x5a; plan.message.min(plan.total - sent)]);
            sent += data.len();
            buffered += data.len();
            rtc.send(CONN, data);
        }
        match inputs.recv().await.context("the transport ended")? {
            Input::ConnectionOpened { .. } => open = Some(Instant::now()),
            Input::ConnectionWritable { buffered: waits, .. } => buffered = waits,
            // The receiver has everything.
            Input::ConnectionClosed { .. } if sent == plan.total => break,
            other => bail!("after {sent} bytes: {other:?}"),
        }
    }
    let took = open.context("it never opened")?.elapsed();
    rtc.shutdown().await;
    Ok(took)
}

async fn transport_receive(talk: &mut Talk, plan: Plan) -> Result<Totals> {
    let (rtc, mut inputs, counters) = transport();
    let offer = talk.expect().await?;
    talk.say(&rtc.answer(CONN, offer).await?).await?;
    let mut received = 0;
    while received < plan.total {
        match inputs.recv().await.context("the transport ended")? {
            Input::ConnectionData { data, .. } => received += data.len(),
            Input::ConnectionOpened { .. } => {}
            other => bail!("after {received} bytes: {other:?}"),
        }
    }
    rtc.shutdown().await;
    Ok(counters.totals())
}

struct Handler(mpsc::UnboundedSender<Option<Arc<dyn DataChannel>>>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.0.send(None);
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let _ = self.0.send(Some(channel));
    }
}

/// Tokio with the socket buffers of our transport.
#[derive(Debug)]
struct Tuned(TokioRuntime);

impl Runtime for Tuned {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.0.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
        socket2::SockRef::from(&socket).set_send_buffer_size(4 << 20)?;
        self.0.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.0.wrap_tcp_listener(listener)
    }

    fn connect_tcp(&self, remote: SocketAddr) -> Boxed<'_, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.0.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        self.0.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        self.0.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.0.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.0.block_on(future);
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

type Heard = mpsc::UnboundedReceiver<Option<Arc<dyn DataChannel>>>;

async fn library() -> Result<(impl PeerConnection, Heard)> {
    let (sender, heard) = mpsc::unbounded_channel();
    let settings = SettingEngineBuilder::new()
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(SEND_MESSAGE_MAX as u32))
        .with_include_loopback_candidate(true)
        .build();
    let pc = PeerConnectionBuilder::new()
        .with_setting_engine(settings)
        .with_data_channel_send_buffer_limit(SEND_BUFFER_HIGH)
        .with_runtime(Arc::new(Tuned(TokioRuntime)))
        .with_handler(Arc::new(Handler(sender)))
        .with_udp_addrs(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))])
        .build()
        .await?;
    Ok((pc, heard))
}

async fn library_describe(
    pc: &impl PeerConnection,
    heard: &mut Heard,
    local: RTCSessionDescription,
) -> Result<String> {
    pc.set_local_description(local).await?;
    heard.recv().await;
    Ok(pc.local_description().await.context("expected a description")?.sdp)
}

async fn library_send(talk: &mut Talk, plan: Plan) -> Result<Duration> {
    let (pc, mut heard) = library().await?;
    let channel = pc.create_data_channel("measured", None).await?;
    let offer = pc.create_offer(None).await?;
    talk.say(&library_describe(&pc, &mut heard, offer).await?).await?;
    pc.set_remote_description(RTCSessionDescription::answer(talk.expect().await?)?).await?;
    while !matches!(channel.poll().await.context("the channel ended")?, DataChannelEvent::OnOpen) {}
    let (begun, mut sent) = (Instant::now(), 0);
    while sent < plan.total {
        let data = BytesMut::from(&vec![0x5a; plan.message.min(plan.total - sent)][..]);
        sent += data.len();
        channel.send(data).await?;
    }
    // The receiver closes when it has everything.
    while !matches!(channel.poll().await, Some(DataChannelEvent::OnClose) | None) {}
    let took = begun.elapsed();
    pc.close().await?;
    Ok(took)
}

async fn library_receive(talk: &mut Talk, plan: Plan) -> Result<Totals> {
    let (pc, mut heard) = library().await?;
    pc.set_remote_description(RTCSessionDescription::offer(talk.expect().await?)?).await?;
    let answer = pc.create_answer(None).await?;
    talk.say(&library_describe(&pc, &mut heard, answer).await?).await?;
    let channel = heard.recv().await.flatten().context("expected a channel")?;
    let mut received = 0;
    while received < plan.total {
        if let DataChannelEvent::OnMessage(message) = channel.poll().await.context("the channel ended")? {
            received += message.data.len();
        }
    }
    pc.close().await?;
    Ok(Totals::default())
}
