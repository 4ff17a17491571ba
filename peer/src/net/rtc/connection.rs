//! One connection: its task, from the first candidate to the last acknowledged byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use shared::engine::ClosedBy;
use shared::id::ConnId;
use shared::limits::{SEND_BUFFER_HIGH, SEND_MESSAGE_MAX};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceGatheringState, RTCIceServer, RTCPeerConnectionState, RTCSessionDescription, SettingEngine,
    SettingEngineBuilder,
};

use super::description::Description;
use super::socket::CountedTokio;
use super::{RtcError, Shared, address};
use crate::net::transport::Ended;

/// As the page names its channel; nobody asks.
const LABEL: &str = "piecemeal";

/// The send buffer has drained when it holds that little.
const LOW: usize = SEND_BUFFER_HIGH / 2;

/// A STUN server that does not answer holds a description up for so long; addresses of this machine come at once.
const GATHER_MAX: Duration = Duration::from_secs(3);

/// How long a channel that is being closed may take to send what it has, and how long the remote to say that it has heard.
const DRAIN_MAX: Duration = Duration::from_secs(3);
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// How often a channel that holds much, or is being closed, is asked what it still has to send.
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// Checks of one pair of addresses before it is given up: five seconds at twenty a second, as many as RFC 8445 (section
/// 14.2) allows. An answer may take that long to reach the other side through a tracker, and an unanswered check before that
/// says nothing.
const CHECKS_MAX: u16 = 100;
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// How long an address that only its packets told us of waits for a better one to be found.
const REFLEXIVE_WAIT: Duration = Duration::from_millis(200);

/// What a connection is asked to do. It closes when nothing more can come.
pub(super) enum Command {
    Accept { remote: Description, reply: oneshot::Sender<Result<(), RtcError>> },
    Send(Bytes),
}

/// Which side of the exchange of descriptions we are.
pub(super) enum Role {
    Offers,
    Answers(Description),
}

/// What the library tells between the events of the channel.
enum Signal {
    Gathered,
    Channel(Arc<dyn DataChannel>),
    /// No path, or none any more.
    Failed,
    Closed,
}

struct Handler(mpsc::UnboundedSender<Signal>);

impl Handler {
    fn tell(&self, signal: Signal) {
        // The task that listens is at its end.
        let _ = self.0.send(signal);
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.tell(Signal::Gathered);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        match state {
            RTCPeerConnectionState::Failed => self.tell(Signal::Failed),
            RTCPeerConnectionState::Closed => self.tell(Signal::Closed),
            _ => {}
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        self.tell(Signal::Channel(channel));
    }
}

/// The state of one connection's task.
pub(super) struct Connection {
    conn: ConnId,
    role: Role,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedReceiver<Command>,
    channel: Option<Arc<dyn DataChannel>>,
    open: bool,
    /// Both descriptions are known, and it is not open yet.
    connecting: Arc<AtomicBool>,
    /// Most bytes that the remote takes in one message, once its description is known.
    max_message: usize,
    /// Bytes that wait as the engine believes: what it was last told, and what was sent since.
    believed: usize,
}

impl Connection {
    pub(super) fn new(
        conn: ConnId,
        role: Role,
        shared: Arc<Shared>,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        let connecting = Arc::new(AtomicBool::new(matches!(role, Role::Answers(_))));
        Self {
            conn,
            role,
            shared,
            commands,
            channel: None,
            open: false,
            connecting,
            max_message: 0,
            believed: 0,
        }
    }

    /// Runs to the end of the connection. The description goes to `reply`.
    pub(super) async fn run(mut self, reply: oneshot::Sender<Result<String, RtcError>>) {
        let (sender, signals) = mpsc::unbounded_channel();
        // Not given up half-way, or the library's task and its sockets would stay; it takes no longer than binding a socket.
        let by = match self.build(Handler(sender)).await {
            Ok(pc) => {
                let by = self.session(&pc, signals, reply).await;
                if let Err(error) = pc.close().await {
                    tracing::debug!(conn = self.conn.0, %error, "closing");
                }
                by
            }
            Err(error) => {
                let _ = reply.send(Err(error.into()));
                None
            }
        };
        self.shared.open.lock().remove(&self.conn);
        if let Some(by) = by {
            // A client that has ended is not told.
            let _ = self.shared.reports.closed(self.conn, by).await;
        }
    }

    async fn build(&self, handler: Handler) -> webrtc::error::Result<impl PeerConnection + use<>> {
        let options = &self.shared.options;
        let runtime = CountedTokio::new(self.shared.reports.clone(), Arc::clone(&self.connecting));
        let stun = RTCIceServer { urls: options.stun.clone(), ..Default::default() };
        let servers = if options.stun.is_empty() { Vec::new() } else { vec![stun] };
        PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::default().with_ice_servers(servers).build())
            .with_setting_engine(settings(options.loopback))
            .with_runtime(Arc::new(runtime))
            .with_handler(Arc::new(handler))
            .with_udp_addrs(address::local(options.loopback))
            .build()
            .await
    }

    /// Everything between making and closing. Gives who ended it, if that was not us.
    async fn session(
        &mut self,
        pc: &impl PeerConnection,
        mut signals: mpsc::UnboundedReceiver<Signal>,
        reply: oneshot::Sender<Result<String, RtcError>>,
    ) -> Option<ClosedBy> {
        let described = tokio::select! {
            described = describe(pc, &self.role, &mut signals) => described,
            () = told_to_close(&mut self.commands) => return None,
        };
        match described {
            Ok((sdp, channel)) => {
                self.channel = channel;
                let _ = reply.send(Ok(sdp));
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                return None;
            }
        }
        if let Role::Answers(remote) = &self.role {
            self.max_message = remote.max_message;
        }
        // The library's event counts what SCTP has taken in, not what waits before it: of bytes that go in only once the others
        // have left it gives none, and the engine would wait for ever. One interval for all turns: what comes in without a pause
        // would put off a new one each time.
        let mut drain_poll = interval(DRAIN_POLL);
        drain_poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                command = self.commands.recv() => self.obey(pc, command).await,
                Some(signal) = signals.recv() => self.heed(signal).await,
                event = next_event(self.channel.as_ref()) => self.hear(event).await,
                _ = drain_poll.tick(), if self.believed > LOW => self.tell_drained().await,
            };
            match step {
                Step::On => {}
                Step::Ended(by) => return Some(by),
                Step::Close => {
                    self.drain().await;
                    return None;
                }
            }
        }
    }

    async fn obey(&mut self, pc: &impl PeerConnection, command: Option<Command>) -> Step {
        match command {
            Some(Command::Send(data)) => self.send(data).await,
            Some(Command::Accept { remote, reply }) => {
                self.max_message = remote.max_message;
                self.connecting.store(true, Ordering::Relaxed);
                let _ = reply.send(accept(pc, remote.sdp).await);
                Step::On
            }
            None => Step::Close,
        }
    }

    async fn heed(&mut self, signal: Signal) -> Step {
        match signal {
            Signal::Gathered => Step::On,
            Signal::Channel(channel) if self.channel.is_none() => {
                self.channel = Some(channel);
                Step::On
            }
            // One channel a connection; a remote that opens more has those closed.
            Signal::Channel(channel) => {
                if let Err(error) = channel.close().await {
                    tracing::debug!(conn = self.conn.0, %error, "closing a second channel");
                }
                Step::On
            }
            Signal::Failed if self.open => {
                Step::Ended(ClosedBy::Transport("the path between the two networks is lost".to_owned()))
            }
            Signal::Failed => Step::Ended(ClosedBy::Unreachable),
            Signal::Closed => self.finish().await,
        }
    }

    async fn hear(&mut self, event: Option<DataChannelEvent>) -> Step {
        match event {
            Some(DataChannelEvent::OnOpen) => self.opened().await,
            // Text has no place in the protocol; a peer that sends some is not answered.
            Some(DataChannelEvent::OnMessage(message)) if !message.is_string && !message.data.is_empty() => {
                let counters = self.shared.reports.counters();
                counters.channel.add_received(message.data.len());
                counters.messages.add_received(1);
                let data = message.data.freeze();
                self.reported(self.shared.reports.data(self.conn, data).await)
            }
            // Before it is open, what has drained is the request to open it.
            Some(DataChannelEvent::OnBufferedAmountLow) if self.open => self.tell_drained().await,
            Some(DataChannelEvent::OnClose) | None => Step::Ended(self.closed()),
            Some(_) => Step::On,
        }
    }

    /// Takes in what came before the connection was closed and still waits behind the channel.
    async fn finish(&mut self) -> Step {
        while let Ok(event) = timeout(FAREWELL_MAX, next_event(self.channel.as_ref())).await {
            match self.hear(event).await {
                Step::On => {}
                step => return step,
            }
        }
        Step::Ended(self.closed())
    }

    async fn opened(&mut self) -> Step {
        if let Some(channel) = &self.channel
            && let Err(error) = channel.set_buffered_amount_low_threshold(LOW as u32).await
        {
            return Step::Ended(ClosedBy::Transport(error.to_string()));
        }
        self.open = true;
        self.connecting.store(false, Ordering::Relaxed);
        self.reported(self.shared.reports.opened(self.conn, self.max_message).await)
    }

    async fn send(&mut self, data: Bytes) -> Step {
        let Some(channel) = self.channel.as_ref().filter(|_| self.open) else { return Step::On };
        let length = data.len();
        // Whoever gives the only handle to a buffer has it sent without copying.
        let data = data.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        if let Err(error) = channel.send(data).await {
            return Step::Ended(ClosedBy::Transport(error.to_string()));
        }
        let counters = self.shared.reports.counters();
        counters.channel.add_sent(length);
        counters.messages.add_sent(1);
        self.believed += length;
        self.tell_drained().await
    }

    /// Tells the engine when no more waits than it may fill up again, and it believes otherwise.
    async fn tell_drained(&mut self) -> Step {
        if self.believed <= LOW {
            return Step::On;
        }
        let buffered = self.buffered().await;
        if buffered > LOW {
            return Step::On;
        }
        self.believed = buffered;
        self.reported(self.shared.reports.writable(self.conn, buffered).await)
    }

    async fn buffered(&self) -> usize {
        match &self.channel {
            // A channel that is closed holds nothing, and says that it is closed.
            Some(channel) => channel.outstanding_bytes().await.unwrap_or(0),
            None => 0,
        }
    }

    /// A connection whose client has ended is of no use.
    const fn reported(&self, report: Result<(), Ended>) -> Step {
        if report.is_ok() { Step::On } else { Step::Close }
    }

    fn closed(&self) -> ClosedBy {
        if self.open { ClosedBy::Remote } else { ClosedBy::Unreachable }
    }

    /// Waits until what was sent has arrived, closes the channel, and waits until the remote has heard that.
    async fn drain(&self) {
        let Some(channel) = self.channel.clone().filter(|_| self.open) else { return };
        let until = Instant::now() + DRAIN_MAX;
        while self.buffered().await > 0 && Instant::now() < until {
            // What still comes is of no use, but would hold up the acknowledgements if it stayed.
            tokio::select! {
                event = channel.poll() => match event {
                    Some(DataChannelEvent::OnClose) | None => return,
                    Some(_) => {}
                },
                () = sleep(DRAIN_POLL) => {}
            }
        }
        if channel.close().await.is_err() {
            return;
        }
        let until = Instant::now() + FAREWELL_MAX;
        while let Ok(Some(event)) = timeout_at(until, channel.poll()).await {
            if matches!(event, DataChannelEvent::OnClose) {
                return;
            }
        }
    }
}

enum Step {
    On,
    /// We are to close.
    Close,
    Ended(ClosedBy),
}

fn settings(loopback: bool) -> SettingEngine {
    SettingEngineBuilder::new()
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_include_loopback_candidate(loopback)
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(SEND_MESSAGE_MAX as u32))
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS_MAX))
        .with_prflx_acceptance_min_wait(Some(REFLEXIVE_WAIT))
        .build()
}

/// Makes the local description, complete with candidates, and the channel if it is ours to make.
async fn describe(
    pc: &impl PeerConnection,
    role: &Role,
    signals: &mut mpsc::UnboundedReceiver<Signal>,
) -> Result<(String, Option<Arc<dyn DataChannel>>), RtcError> {
    let (local, channel) = match role {
        Role::Offers => {
            let channel = pc.create_data_channel(LABEL, None).await?;
            (pc.create_offer(None).await?, Some(channel))
        }
        Role::Answers(remote) => {
            let offer = RTCSessionDescription::offer(remote.sdp.clone())?;
            pc.set_remote_description(offer).await?;
            (pc.create_answer(None).await?, None)
        }
    };
    pc.set_local_description(local).await?;
    // In time or not, what is there by then is what the description says.
    let _ = timeout(GATHER_MAX, gathered(signals)).await;
    let local = pc.local_description().await;
    local.map(|local| (local.sdp, channel)).ok_or(RtcError::Gone)
}

async fn gathered(signals: &mut mpsc::UnboundedReceiver<Signal>) {
    // Nothing else is told before the other side knows of this one.
    while !matches!(signals.recv().await, Some(Signal::Gathered) | None) {}
}

async fn accept(pc: &impl PeerConnection, sdp: String) -> Result<(), RtcError> {
    pc.set_remote_description(RTCSessionDescription::answer(sdp)?).await?;
    Ok(())
}

/// Resolves when nobody commands the connection any more. Nothing can be asked of one that has no description yet.
async fn told_to_close(commands: &mut mpsc::UnboundedReceiver<Command>) {
    while commands.recv().await.is_some() {}
}

async fn next_event(channel: Option<&Arc<dyn DataChannel>>) -> Option<DataChannelEvent> {
    match channel {
        Some(channel) => channel.poll().await,
        None => std::future::pending().await,
    }
}
