//! Options of bounds. Each default has its reason in the documentation, which `--help` and `--print-config` show.

use std::time::Duration;

use clap::Args;
use clap::builder::{BoolishValueParser, RangedU64ValueParser};
use peer::quantity;

use crate::config::NetLimits;
use crate::swarm::Limits;

/// At least one: with none of it nobody is served.
fn some() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// A length of time that is not nothing.
fn duration(text: &str) -> Result<Duration, String> {
    match quantity::duration(text)? {
        Duration::ZERO => Err("expected more than no time".to_owned()),
        some => Ok(some),
    }
}

/// A number of bytes that is not nothing.
fn bytes(text: &str) -> Result<usize, String> {
    match quantity::size(text).map(usize::try_from)? {
        Ok(0) | Err(_) => {
            Err("expected at least 1 byte, and no more than this machine can address".to_owned())
        }
        Ok(some) => Ok(some),
    }
}

/// Bounds of connections, and of what is read from them.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits of connections")]
pub struct ConnectionLimits {
    /// Connections at once, of all kinds; lowered to what the limit on open files allows. Beyond it, new ones wait to be
    /// accepted.
    #[arg(long, value_name = "N", default_value_t = NetLimits::default().connections, value_parser = some(), env = "PIECEMEAL_MAX_CONNECTIONS")]
    pub max_connections: usize,

    /// TCP connections of one address at once, of all kinds; 0 for no bound. A browser has up to seven, so a school of 500
    /// behind one address fits. Connections of --trusted-proxies are not bound.
    #[arg(long, value_name = "N", default_value_t = NetLimits::default().connections_per_address, env = "PIECEMEAL_CONNECTIONS_PER_ADDRESS")]
    pub connections_per_address: usize,

    /// WebSockets of one address at once; 0 for no bound. Classrooms and offices share an address: 200 laptops with several
    /// tabs each fit. Behind a proxy that is not in --trusted-proxies all peers share its address.
    #[arg(long, value_name = "N", default_value_t = NetLimits::default().sockets_per_address, env = "PIECEMEAL_SOCKETS_PER_ADDRESS")]
    pub sockets_per_address: usize,

    /// Leading bits of an IPv6 address that make one subscriber, whom all bounds by address mean. Providers give at least a
    /// /64 to each; 56 or 48 counts those together who have more.
    #[arg(long, value_name = "BITS", default_value_t = NetLimits::default().ipv6_prefix, value_parser = clap::value_parser!(u8).range(16..=128), env = "PIECEMEAL_IPV6_PREFIX")]
    pub ipv6_prefix: u8,

    /// A connection must have sent its first whole request, TLS handshake included, after this long. Slow mobile networks
    /// need a few seconds; whoever needs more holds a place that others could use.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration, env = "PIECEMEAL_HEADER_TIMEOUT")]
    pub header_timeout: Duration,

    /// A write that makes no progress for this long closes its connection: slow readers hold memory.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, env = "PIECEMEAL_WRITE_TIMEOUT")]
    pub write_timeout: Duration,

    /// Time between two pings to a WebSocket. Home routers forget connections that were quiet for a minute.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, env = "PIECEMEAL_PING_INTERVAL")]
    pub ping_interval: Duration,

    /// A WebSocket that did not even send a pong for this long is gone: three pings.
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = duration, env = "PIECEMEAL_IDLE_TIMEOUT")]
    pub idle_timeout: Duration,

    /// A WebSocket that did not ask anything for this long is closed, though it answers pings [default: five times
    /// --interval, and at least ten minutes].
    #[arg(long, value_name = "TIME", value_parser = duration, env = "PIECEMEAL_SILENT_TIMEOUT")]
    pub silent_timeout: Option<Duration>,

    /// Longest message of a peer over WebSocket: ten offers of 6 kB fit twice. With a longer one its socket is closed.
    #[arg(long, value_name = "BYTES", default_value = "128KiB", value_parser = bytes, env = "PIECEMEAL_MESSAGE_BYTES")]
    pub message_bytes: usize,

    /// Buffer for reading of each WebSocket, half of it over TLS; longer messages grow it for a while.
    #[arg(long, value_name = "BYTES", default_value = "1KiB", value_parser = bytes, env = "PIECEMEAL_READ_BUFFER_BYTES")]
    pub read_buffer_bytes: usize,

    /// Messages of one WebSocket that are read at once, if it was quiet before: an announce for each of 200 torrents, and
    /// answers to what comes back.
    #[arg(long, value_name = "N", default_value_t = NetLimits::default().message_burst, value_parser = clap::value_parser!(u32).range(1..), env = "PIECEMEAL_MESSAGE_BURST")]
    pub message_burst: u32,

    /// Messages a second of one WebSocket that are read in the long run. Beyond it reading waits; nothing is dropped.
    #[arg(long, value_name = "N", default_value_t = NetLimits::default().messages_per_second, value_parser = clap::value_parser!(u32).range(1..), env = "PIECEMEAL_MESSAGES_PER_SECOND")]
    pub messages_per_second: u32,

    /// Bytes of messages of one WebSocket that are read at once, if it was quiet before: 200 announces with ten offers of
    /// 6 kB.
    #[arg(long, value_name = "BYTES", default_value = "12MB", value_parser = bytes, env = "PIECEMEAL_MESSAGE_BYTES_BURST")]
    pub message_bytes_burst: usize,

    /// Bytes of messages a second of one WebSocket that are read in the long run: twice what those 200 announces come to
    /// every two minutes. Beyond it reading waits; nothing is dropped.
    #[arg(long, value_name = "BYTES", default_value = "200kB", value_parser = bytes, env = "PIECEMEAL_MESSAGE_BYTES_PER_SECOND")]
    pub message_bytes_per_second: usize,

    /// Messages that wait for a slow reader. With one more of its own replies it is closed; offers and answers of others may
    /// fill half of it, and are dropped beyond.
    #[arg(long, value_name = "N", default_value_t = NetLimits::default().queue_messages, value_parser = some(), env = "PIECEMEAL_QUEUE_MESSAGES")]
    pub queue_messages: usize,

    /// Bytes that wait for a slow reader, as for --queue-messages. Bounds the memory of each socket.
    #[arg(long, value_name = "BYTES", default_value = "2MiB", value_parser = bytes, env = "PIECEMEAL_QUEUE_BYTES")]
    pub queue_bytes: usize,

    /// Announces and scrapes of one address over HTTP and UDP that are answered at once, if it was quiet before: a client
    /// that starts with a thousand torrents, twice, or a classroom that starts together.
    #[arg(long, value_name = "N", default_value_t = NetLimits::default().request_burst, value_parser = clap::value_parser!(u32).range(1..), env = "PIECEMEAL_REQUEST_BURST")]
    pub request_burst: u32,

    /// Announces and scrapes a second of one address over HTTP and UDP in the long run; 0 for no bound. Above any client,
    /// below the thousand a second that floods of single addresses have been seen to bring.
    #[arg(long, value_name = "N", default_value_t = NetLimits::default().requests_per_second, env = "PIECEMEAL_REQUESTS_PER_ADDRESS")]
    pub requests_per_address: u32,
}

impl ConnectionLimits {
    /// The bounds, of which some follow from the time between two announces.
    pub(super) fn limits(&self, interval: Duration) -> NetLimits {
        let silent = (interval * 5).max(NetLimits::default().silent_timeout);
        NetLimits {
            connections: self.max_connections,
            connections_per_address: self.connections_per_address,
            sockets_per_address: self.sockets_per_address,
            ipv6_prefix: self.ipv6_prefix,
            header_timeout: self.header_timeout,
            write_timeout: self.write_timeout,
            message_bytes: self.message_bytes,
            read_buffer_bytes: self.read_buffer_bytes,
            queue_messages: self.queue_messages,
            queue_bytes: self.queue_bytes,
            message_burst: self.message_burst,
            messages_per_second: self.messages_per_second,
            message_bytes_burst: self.message_bytes_burst,
            message_bytes_per_second: self.message_bytes_per_second,
            request_burst: self.request_burst,
            requests_per_second: self.requests_per_address,
            ping_interval: self.ping_interval,
            idle_timeout: self.idle_timeout,
            silent_timeout: self.silent_timeout.unwrap_or(silent),
            ..NetLimits::default()
        }
    }
}

/// Times and bounds of swarms.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits of swarms")]
pub struct SwarmLimits {
    /// Seconds between two announces of one peer over WebSocket; over HTTP and UDP it is five times as long. Two minutes is
    /// what WebTorrent's servers ask for.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(5..=3600), env = "PIECEMEAL_INTERVAL")]
    pub interval: u32,

    /// A peer of a WebSocket that did not announce for this long leaves the swarm [default: three times --interval, since a
    /// hidden tab may be late].
    #[arg(long, value_name = "TIME", value_parser = duration, env = "PIECEMEAL_MEMBER_TIMEOUT")]
    pub member_timeout: Option<Duration>,

    /// Time between two announces of one peer over HTTP or UDP [default: five times --interval].
    #[arg(long, value_name = "TIME", value_parser = duration, env = "PIECEMEAL_ADDRESS_INTERVAL")]
    pub address_interval: Option<Duration>,

    /// A peer over HTTP or UDP that did not announce for this long leaves the swarm [default: two and a half times
    /// --address-interval].
    #[arg(long, value_name = "TIME", value_parser = duration, env = "PIECEMEAL_ADDRESS_TIMEOUT")]
    pub address_timeout: Option<Duration>,

    /// An offer may be answered for this long. WebTorrent gives up its own side after 50 s.
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = duration, env = "PIECEMEAL_OFFER_TIMEOUT")]
    pub offer_timeout: Duration,

    /// Offers of one announce that are relayed; the rest is dropped. Nobody sends more than ten.
    #[arg(long, value_name = "N", default_value_t = Limits::default().offers_per_announce, env = "PIECEMEAL_OFFERS_PER_ANNOUNCE")]
    pub offers_per_announce: usize,

    /// Longest offer or answer that is relayed. With more, a stranger could fill the queue of a peer behind a slow line.
    #[arg(long, value_name = "BYTES", default_value = "32KiB", value_parser = bytes, env = "PIECEMEAL_OFFER_BYTES")]
    pub offer_bytes: usize,

    /// Memberships (torrent and peer_id) of one WebSocket: torrents per client.
    #[arg(long, value_name = "N", default_value_t = Limits::default().members_per_socket, value_parser = some(), env = "PIECEMEAL_MEMBERS_PER_SOCKET")]
    pub members_per_socket: usize,

    /// Peer_ids of one WebSocket in one swarm. A page with several clients has a few.
    #[arg(long, value_name = "N", default_value_t = Limits::default().peer_ids_per_swarm, value_parser = some(), env = "PIECEMEAL_PEER_IDS_PER_SWARM")]
    pub peer_ids_per_swarm: usize,

    /// Memberships (torrent and port) of one address over HTTP and UDP: torrents per client. 0 for no bound, nor on
    /// --peers-per-address-and-swarm. A seedbox with a thousand torrents, four times over.
    #[arg(long, value_name = "N", default_value_t = Limits::default().members_per_address, env = "PIECEMEAL_MEMBERS_PER_ADDRESS")]
    pub members_per_address: usize,

    /// The same in one swarm: with all of them there, one subscriber would be most of what the others are told. A classroom
    /// behind one address fits. This machine is not bound.
    #[arg(long, value_name = "N", default_value_t = Limits::default().peers_per_swarm, value_parser = some(), env = "PIECEMEAL_PEERS_PER_ADDRESS_AND_SWARM")]
    pub peers_per_address_and_swarm: usize,

    /// Members of one swarm: peers per torrent.
    #[arg(long, value_name = "N", default_value_t = Limits::default().members_per_torrent, value_parser = some(), env = "PIECEMEAL_MEMBERS_PER_TORRENT")]
    pub members_per_torrent: usize,

    /// Members of all swarms together, of which those over HTTP and UDP may be half; bounds the memory.
    #[arg(long, value_name = "N", default_value_t = Limits::default().members, value_parser = some(), env = "PIECEMEAL_MAX_MEMBERS")]
    pub max_members: usize,

    /// Offers of one WebSocket that wait for an answer: 200 torrents with ten offers each.
    #[arg(long, value_name = "N", default_value_t = Limits::default().pending_per_socket, env = "PIECEMEAL_OFFERS_PER_SOCKET")]
    pub offers_per_socket: u32,

    /// Offers of all WebSockets that wait for an answer; the oldest gives way. Bounds the memory.
    #[arg(long, value_name = "N", default_value_t = Limits::default().pending, value_parser = some(), env = "PIECEMEAL_MAX_OFFERS")]
    pub max_offers: usize,

    /// Introduce peers that are seen at one address (in a private network: at one of the same /24; of IPv6: of the same
    /// --ipv6-prefix) to each other before all others: what one of a house or a class has, the rest gets at home.
    #[arg(long, env = "PIECEMEAL_NEIGHBOURS_FIRST", value_parser = BoolishValueParser::new())]
    pub neighbours_first: bool,

    /// Torrents in one scrape reply, which stays far below the longest message.
    #[arg(long, value_name = "N", default_value_t = Limits::default().scrape, value_parser = some(), env = "PIECEMEAL_SCRAPE_TORRENTS")]
    pub scrape_torrents: usize,
}

impl SwarmLimits {
    /// Time between two announces of one WebSocket's peer.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval))
    }

    /// The bounds.
    pub(super) fn limits(&self) -> Limits {
        let interval = self.interval();
        let address_interval = self.address_interval.unwrap_or(interval * 5);
        Limits {
            interval,
            member_timeout: self.member_timeout.unwrap_or(interval * 3),
            address_interval,
            address_timeout: self.address_timeout.unwrap_or(address_interval * 5 / 2),
            offer_timeout: self.offer_timeout,
            offers_per_announce: self.offers_per_announce,
            offer_bytes: self.offer_bytes,
            members_per_socket: self.members_per_socket,
            peer_ids_per_swarm: self.peer_ids_per_swarm,
            members_per_address: self.members_per_address,
            peers_per_swarm: self.peers_per_address_and_swarm,
            members_per_torrent: self.members_per_torrent,
            members: self.max_members,
            pending_per_socket: self.offers_per_socket,
            pending: self.max_offers,
            neighbours_first: self.neighbours_first,
            scrape: self.scrape_torrents,
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Args;

    fn limits(arguments: &[&str]) -> (String, String) {
        let all = ["tracker", "--no-tls"].iter().chain(arguments);
        let config = Args::try_parse_from(all).unwrap().into_config().unwrap();
        (format!("{:?}", config.net), format!("{:?}", config.swarm))
    }

    /// The defaults are named twice where clap wants text.
    #[test]
    fn what_is_said_of_the_defaults_holds() {
        let expected = (format!("{:?}", NetLimits::default()), format!("{:?}", Limits::default()));
        assert_eq!(limits(&[]), expected);
    }

    #[test]
    fn neighbours_come_first_if_asked_for() {
        assert!(limits(&["--neighbours-first"]).1.contains("neighbours_first: true"));
    }

    #[test]
    fn times_follow_from_the_interval_unless_they_are_set() {
        let (net, swarm) = limits(&["--interval", "10"]);
        assert!(net.contains("silent_timeout: 600s"), "{net}");
        for part in ["member_timeout: 30s", "address_interval: 50s", "address_timeout: 125s"] {
            assert!(swarm.contains(part), "{part}: {swarm}");
        }
        let (net, swarm) =
            limits(&["--interval", "10", "--silent-timeout", "45s", "--address-timeout", "2m"]);
        assert!(net.contains("silent_timeout: 45s") && swarm.contains("address_timeout: 120s"));
    }

    #[test]
    fn what_would_serve_nobody_is_refused() {
        for wrong in [
            ["--max-connections", "0"],
            ["--header-timeout", "0"],
            ["--message-bytes", "0"],
            ["--messages-per-second", "0"],
            ["--ipv6-prefix", "129"],
            ["--ipv6-prefix", "0"],
            ["--max-members", "0"],
        ] {
            assert!(Args::try_parse_from(["tracker"].iter().chain(&wrong)).is_err(), "{wrong:?}");
        }
    }
}
