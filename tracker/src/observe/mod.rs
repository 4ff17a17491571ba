//! What operators see of a tracker: metrics, the event log, and the dashboard's feed.
//!
//! Nothing here decides anything. Recording is a few additions to atomic numbers; whatever costs more is done when somebody
//! asks, at most once a second however many do.

pub(crate) mod access;
pub(crate) mod counts;
pub(crate) mod durations;
pub(crate) mod egress;
pub(crate) mod events;
pub(crate) mod exposition;
pub(crate) mod live;
pub(crate) mod process;
pub(crate) mod reports;
pub(crate) mod swarm_view;

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use clap::Args;
use http::{Response, StatusCode, Version};
use http_body::Body as _;
use shared::id::{InfoHash, PeerId};
use shared::tracker::announce::Event;
use shared::tracker::ws::Report;

use self::counts::{Frontend, Outcome, Tally};
use self::durations::Recorder;
use self::egress::Egress;
use self::events::{Events, Kind};
use self::live::Live;
use self::reports::Reports;
use crate::client_name::client_name;
use crate::frontend::{Rejected, Rejections};
use crate::swarm::SocketId;

/// Options of metrics and dashboard.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Metrics and dashboard")]
pub struct ObserveArgs {
    /// A port of its own for /metrics, /healthz and /readyz, answered to whoever reaches it; the other ports then do not
    /// answer /metrics. Without it they answer this machine and private networks.
    #[arg(long, value_name = "ADDRESS", env = "PIECEMEAL_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,

    /// /metrics asks everybody for this as a bearer token (Authorization: Bearer TOKEN). At least 16 characters.
    #[arg(long, value_name = "TOKEN", env = "PIECEMEAL_METRICS_TOKEN", value_parser = access::token, hide_env_values = true)]
    pub metrics_token: Option<String>,

    /// The dashboard asks everybody for this token, this machine too; without it only this machine sees the dashboard. To be
    /// set behind a proxy on this machine, whose visitors come from here as well. At least 16 characters.
    #[arg(long, value_name = "TOKEN", env = "PIECEMEAL_DASHBOARD_TOKEN", value_parser = access::token, hide_env_values = true)]
    pub dashboard_token: Option<String>,

    /// Seconds between two reports of progress for which Piecemeal's own peers are asked over their WebSocket; 0 asks none.
    /// With more than 1500 reporting peers it is longer in proportion.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, env = "PIECEMEAL_REPORT_INTERVAL", value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub report_interval: u32,
}

impl Default for ObserveArgs {
    fn default() -> Self {
        Self { metrics_listen: None, metrics_token: None, dashboard_token: None, report_interval: 3 }
    }
}

/// All that is recorded besides what the swarms count themselves.
#[derive(Debug)]
pub(crate) struct Observe {
    /// By [`Frontend`]: how long an announce takes from its last byte to its reply.
    pub(crate) durations: [Recorder; Frontend::ALL.len()],
    announces: [Tally<{ Outcome::ALL.len() }>; Frontend::ALL.len()],
    pub(crate) egress: Arc<Egress>,
    pub(crate) events: Events,
    pub(crate) reports: Reports,
    pub(crate) live: Live,
    /// Peers are shown under a name that only this run gives them.
    names: RandomState,
}

impl Observe {
    pub(crate) fn new(args: &ObserveArgs) -> Self {
        Self {
            durations: Default::default(),
            announces: Default::default(),
            egress: Arc::default(),
            events: Events::default(),
            reports: Reports::new(args.report_interval),
            live: Live::default(),
            names: RandomState::new(),
        }
    }

    /// An announce that could be read was answered, or refused in these words. `begun`: when its last byte was there.
    pub(crate) fn announced(
        &self,
        frontend: Frontend,
        begun: Instant,
        (info_hash, peer_id): (&InfoHash, &PeerId),
        event: Event,
        refusal: Option<&str>,
    ) {
        let of = frontend as usize;
        self.durations[of].record(begun.elapsed());
        let outcome = if refusal.is_some() { Outcome::Refused } else { Outcome::Answered };
        self.announces[of].add(outcome as usize);
        if let Some(refusal) = refusal {
            self.refused(refusal, frontend, info_hash);
            return;
        }
        let (kind, did) = match event {
            Event::Started => (Kind::Joined, "joined"),
            Event::Stopped => (Kind::Left, "left"),
            Event::Completed => (Kind::Completed, "has everything"),
            _ => return,
        };
        self.events.note(kind, Some(info_hash), || {
            let (program, version) = client_name(&peer_id.0[..8]);
            format!("{} ({program} {version}, {}) {did}", self.name(peer_id), frontend.name())
        });
    }

    fn refused(&self, refusal: &str, frontend: Frontend, info_hash: &InfoHash) {
        let text = || format!("an announce over {} was refused: {refusal}", frontend.name());
        self.events.note(Kind::Refused, Some(info_hash), text);
    }

    /// Announces by frontend and outcome.
    pub(crate) fn announces(&self, frontend: Frontend, outcome: Outcome) -> u64 {
        self.announces[frontend as usize].get(outcome as usize)
    }

    /// A message of a socket that is no request of the swarms': `true` if it is a report of a peer's own progress.
    pub(crate) fn report(&self, socket: SocketId, text: &str, rejections: &Rejections) -> bool {
        let Some(report) = Report::parse(text) else { return false };
        if !self.reports.take(socket, report, Instant::now()) {
            rejections.add(Rejected::Reports);
        }
        true
    }

    /// A request for a file, or a part of one, was answered so.
    pub(crate) fn download(
        &self,
        path: &str,
        version: Version,
        response: &Response<Body>,
        rejections: &Rejections,
    ) {
        match response.status() {
            StatusCode::SERVICE_UNAVAILABLE => rejections.add(Rejected::Downloads),
            status @ (StatusCode::OK | StatusCode::PARTIAL_CONTENT)
                if !path.is_empty() && !path.ends_with('/') =>
            {
                let part = if status == StatusCode::OK { "" } else { "a part of " };
                let bytes = response.body().size_hint().exact().unwrap_or_default();
                let protocol = if version == Version::HTTP_2 { "h2" } else { "http/1.1" };
                self.events.note(Kind::Download, None, || {
                    format!("{part}{path} is fetched over {protocol}: {bytes} bytes")
                });
            }
            _ => {}
        }
    }

    /// We close a peer's socket for this reason.
    pub(crate) fn socket_ended(&self, socket: SocketId, reason: &str) {
        self.events.note(Kind::Closed, None, || format!("the socket {} was closed: {reason}", socket.0));
    }

    /// A peer's socket is gone.
    pub(crate) fn closed(&self, socket: SocketId) {
        self.reports.forget(socket);
    }

    /// What a peer is called where people see it: nobody can connect to it by that, or find it elsewhere.
    pub(crate) fn name(&self, peer_id: &PeerId) -> String {
        format!("{:08x}", self.names.hash_one(peer_id) as u32)
    }
}
