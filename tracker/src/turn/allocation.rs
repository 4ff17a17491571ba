//! One address that a client is relayed from: who may send there, under which numbers, and how much.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use shared::stun::TransactionId;
use shared::time::Instant;

/// How long a peer may send after it was let in, and how long a channel keeps its number (RFC 8656, 9 and 12).
const PERMISSION: Duration = Duration::from_secs(300);
const CHANNEL: Duration = Duration::from_secs(600);

/// Peers of one allocation: an offer names a few candidates, and a connection has one of them in the end.
const PEERS_MAX: usize = 32;

/// An allocation, with whatever `R` sends and receives for it.
#[derive(Debug)]
pub(super) struct Allocation<R> {
    pub(super) relay: Arc<R>,
    pub(super) at: SocketAddr,
    pub(super) username: String,
    /// The request that made it, which may come again.
    pub(super) made_by: TransactionId,
    pub(super) expires: Instant,
    permissions: Vec<(IpAddr, Instant)>,
    channels: Vec<(u16, SocketAddr, Instant)>,
    /// When all bytes that were let through would have been within the rate.
    level_at: Instant,
}

/// It has too many peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl<R> Allocation<R> {
    pub(super) fn new(
        (relay, at): (Arc<R>, SocketAddr),
        username: String,
        made_by: TransactionId,
        expires: Instant,
    ) -> Self {
        let (permissions, channels) = (Vec::new(), Vec::new());
        Self { relay, at, username, made_by, expires, permissions, channels, level_at: Instant::ORIGIN }
    }

    /// Lets a peer send, or lets it for longer.
    pub(super) fn permit(&mut self, now: Instant, ip: IpAddr) -> Result<(), TooMany> {
        self.permissions.retain(|(_, until)| *until > now);
        let (until, full) = (now + PERMISSION, self.permissions.len() >= PEERS_MAX);
        match self.permissions.iter_mut().find(|(permitted, _)| *permitted == ip) {
            Some(permission) => permission.1 = until,
            None if full => return Err(TooMany),
            None => self.permissions.push((ip, until)),
        }
        Ok(())
    }

    pub(super) fn permits(&self, now: Instant, ip: IpAddr) -> bool {
        self.permissions.iter().any(|(permitted, until)| *permitted == ip && *until > now)
    }

    /// Gives a peer a number, or keeps it. `Ok(false)` if one of them belongs to another.
    pub(super) fn bind(&mut self, now: Instant, number: u16, peer: SocketAddr) -> Result<bool, TooMany> {
        self.channels.retain(|(.., until)| *until > now);
        let (until, full) = (now + CHANNEL, self.channels.len() >= PEERS_MAX);
        match self.channels.iter_mut().find(|(bound, to, _)| *bound == number || *to == peer) {
            Some((bound, to, _)) if (*bound, *to) != (number, peer) => return Ok(false),
            Some(channel) => channel.2 = until,
            None if full => return Err(TooMany),
            None => self.channels.push((number, peer, until)),
        }
        self.permit(now, peer.ip()).map(|()| true)
    }

    pub(super) fn peer(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        self.channels.iter().find(|(bound, _, until)| *bound == number && *until > now).map(|(_, to, _)| *to)
    }

    pub(super) fn channel(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        self.channels.iter().find(|(_, to, until)| *to == peer && *until > now).map(|(bound, ..)| *bound)
    }

    /// Whether so many more bytes, in either direction, are within the rate: `per_second`, and as many at once.
    pub(super) fn spend(&mut self, now: Instant, bytes: usize, per_second: u64) -> bool {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / per_second.max(1);
        let level = self.level_at.max(now) + Duration::from_nanos(nanos);
        let within = level.saturating_since(now) <= Duration::from_secs(1);
        if within {
            self.level_at = level;
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocation() -> Allocation<()> {
        let at = "192.0.2.1:5".parse().unwrap();
        Allocation::new((Arc::new(()), at), String::new(), TransactionId([0; 12]), Instant::from_millis(1))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn permissions_end_and_are_bounded() {
        let mut allocation = allocation();
        let ip = |number: u8| IpAddr::from([198, 51, 100, number]);
        allocation.permit(at(0), ip(1)).unwrap();
        assert!(allocation.permits(at(299), ip(1)) && !allocation.permits(at(300), ip(1)));
        assert!(!allocation.permits(at(0), ip(2)));
        for number in 2..=PEERS_MAX as u8 {
            allocation.permit(at(1), ip(number)).unwrap();
        }
        assert_eq!(allocation.permit(at(1), ip(200)), Err(TooMany));
        allocation.permit(at(300), ip(200)).unwrap();
    }

    #[test]
    fn a_number_is_one_peers() {
        let mut allocation = allocation();
        let peer = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (one, two) = (peer("198.51.100.1:1"), peer("198.51.100.1:2"));
        assert_eq!(allocation.bind(at(0), 0x4000, one), Ok(true));
        assert_eq!(allocation.bind(at(0), 0x4000, two), Ok(false));
        assert_eq!(allocation.bind(at(0), 0x4001, one), Ok(false));
        assert_eq!(
            (allocation.peer(at(1), 0x4000), allocation.channel(at(1), one)),
            (Some(one), Some(0x4000))
        );
        assert!(allocation.permits(at(1), one.ip()));
        assert_eq!(allocation.peer(at(600), 0x4000), None);
        assert_eq!(allocation.bind(at(600), 0x4000, two), Ok(true));
    }

    #[test]
    fn a_rate_holds_in_the_long_run() {
        let mut allocation = allocation();
        let passed = (0..10_000).filter(|step| allocation.spend(Instant::from_millis(*step), 1_000, 100_000));
        // Ten seconds, and what may pass at once.
        assert!((1_080..=1_110).contains(&passed.count()));
    }
}
