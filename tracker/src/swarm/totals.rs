//! What is counted over all parts of a tracker, and over all that one socket has in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use shared::rng::Rng;

use super::networks::Networks;

/// Counters behind the bounds of the whole. A bound may be exceeded by as many as there are threads: each looks before it adds.
#[derive(Debug)]
pub(super) struct Totals {
    members: AtomicUsize,
    addresses: AtomicUsize,
    pending: AtomicUsize,
    pub(super) networks: Networks,
}

impl Totals {
    pub(super) fn new(members: usize, ipv6_prefix: u8, rng: &mut Rng) -> Self {
        Self {
            members: AtomicUsize::new(0),
            addresses: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            networks: Networks::new(members, ipv6_prefix, rng),
        }
    }

    /// Members of both kinds.
    pub(super) fn members(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }

    /// Members that are reached at an address, among all.
    pub(super) fn addresses(&self) -> usize {
        self.addresses.load(Ordering::Relaxed)
    }

    /// Offers that wait for an answer.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    pub(super) fn member_joined(&self) {
        self.members.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn member_left(&self) {
        self.members.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn address_joined(&self) {
        self.addresses.fetch_add(1, Ordering::Relaxed);
        self.member_joined();
    }

    pub(super) fn addresses_left(&self, count: usize) {
        self.addresses.fetch_sub(count, Ordering::Relaxed);
        self.members.fetch_sub(count, Ordering::Relaxed);
    }

    pub(super) fn offer_made(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn offer_gone(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one socket has in all parts of a tracker. A clone counts for the same socket.
#[derive(Clone, Debug, Default)]
pub struct SocketTally(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    members: AtomicU32,
    pending: AtomicU32,
}

impl SocketTally {
    /// Memberships.
    pub fn members(&self) -> usize {
        self.0.members.load(Ordering::Relaxed) as usize
    }

    /// Offers that wait for an answer.
    pub fn pending(&self) -> u32 {
        self.0.pending.load(Ordering::Relaxed)
    }

    pub(super) fn member_joined(&self) {
        self.0.members.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn members_left(&self, count: usize) {
        self.0.members.fetch_sub(count as u32, Ordering::Relaxed);
    }

    pub(super) fn offer_made(&self) {
        self.0.pending.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn offer_gone(&self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}
