//! How often passwords may be guessed: of one address, and for one name.
//!
//! Pure: the time is an argument. Slots are chosen by a keyed hash, so that no number of addresses and names takes more
//! memory or pushes out what is known of another; two that share one are rare, and nobody can choose whom to share with.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use shared::address::network;
use shared::time::Instant;

/// Slots of each kind, 24 bytes each.
const SLOTS: usize = 1 << 14;

/// Wrong passwords of one address that cost no delay: a classroom behind one address mistypes more often than one person.
const ADDRESS_FREE: u32 = 20;

/// Wrong passwords for one name that cost no delay.
const NAME_FREE: u32 = 5;

/// Longest delay of an address.
const ADDRESS_DELAY_MAX: Duration = Duration::from_secs(15 * 60);

/// Longest delay of a name: whoever guesses can keep its owner out, but for no longer than this after the last guess.
const NAME_DELAY_MAX: Duration = Duration::from_secs(5 * 60);

/// After so long without an attempt all is forgiven.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60 * 60);

/// Attempts so far, by address and by name.
#[derive(Debug)]
pub(crate) struct Attempts {
    hasher: RandomState,
    addresses: Box<[Slot]>,
    names: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Attempts that failed, or are under way.
    failures: u32,
    last: Option<Instant>,
    locked_until: Option<Instant>,
}

/// Not yet again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Locked {
    /// Seconds until then, rounded up.
    pub(crate) seconds: u64,
}

impl Default for Attempts {
    fn default() -> Self {
        let slots = || vec![Slot::default(); SLOTS].into_boxed_slice();
        Self { hasher: RandomState::new(), addresses: slots(), names: slots() }
    }
}

impl Attempts {
    /// Counts an attempt before it is known how it ends, so that many at once are no way around the delay.
    ///
    /// # Errors
    ///
    /// [`Locked`]; then nothing was counted, and the password must not be looked at.
    pub(crate) fn begin(&mut self, now: Instant, ip: IpAddr, name: &str) -> Result<(), Locked> {
        let (address, name) = (self.slot(network(ip)), self.slot(name));
        let wait = self.addresses[address].wait(now).max(self.names[name].wait(now));
        if !wait.is_zero() {
            return Err(Locked { seconds: wait.as_millis().div_ceil(1_000) as u64 });
        }
        self.addresses[address].count(now, ADDRESS_FREE, ADDRESS_DELAY_MAX);
        self.names[name].count(now, NAME_FREE, NAME_DELAY_MAX);
        Ok(())
    }

    /// The attempt succeeded: it was none. What the name failed before is forgiven, what the address did is not: it may
    /// have an account of its own.
    pub(crate) fn succeeded(&mut self, ip: IpAddr, name: &str) {
        let (address, name) = (self.slot(network(ip)), self.slot(name));
        let of_address = &mut self.addresses[address];
        of_address.failures = of_address.failures.saturating_sub(1);
        of_address.locked_until = None;
        self.names[name] = Slot::default();
    }

    /// The attempt was none after all: nothing was guessed.
    pub(crate) fn undone(&mut self, ip: IpAddr, name: &str) {
        let (address, name) = (self.slot(network(ip)), self.slot(name));
        for slot in [&mut self.addresses[address], &mut self.names[name]] {
            slot.failures = slot.failures.saturating_sub(1);
            slot.locked_until = None;
        }
    }

    fn slot(&self, of: impl Hash) -> usize {
        self.hasher.hash_one(of) as usize % SLOTS
    }
}

impl Slot {
    fn wait(&self, now: Instant) -> Duration {
        self.locked_until.map_or(Duration::ZERO, |until| until.saturating_since(now))
    }

    /// The first delay is a second, each further one twice as long.
    fn count(&mut self, now: Instant, free: u32, longest: Duration) {
        if self.last.is_some_and(|last| now.saturating_since(last) >= FORGIVEN_AFTER) {
            *self = Self::default();
        }
        self.failures = self.failures.saturating_add(1);
        self.last = Some(now);
        let Some(beyond) = self.failures.checked_sub(free) else { return };
        let delay = Duration::from_secs(1 << beyond.min(20)).min(longest);
        self.locked_until = Some(now + delay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    fn ip(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    #[test]
    fn a_name_is_locked_for_longer_each_time_whoever_guesses() {
        let mut attempts = Attempts::default();
        for guess in 0..NAME_FREE {
            assert_eq!(attempts.begin(at(0), ip(guess as u8), "ann"), Ok(()), "{guess}");
        }
        assert_eq!(attempts.begin(at(0), ip(99), "ann"), Err(Locked { seconds: 1 }));
        assert_eq!(attempts.begin(at(0), ip(99), "bob"), Ok(()));
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..12 {
            let locked = attempts.begin(at(now), ip(99), "ann").unwrap_err();
            waits.push(locked.seconds);
            now += locked.seconds;
            assert_eq!(attempts.begin(at(now), ip(99), "ann"), Ok(()));
        }
        assert_eq!(waits[..9], [1, 2, 4, 8, 16, 32, 64, 128, 256]);
        assert_eq!(waits[9..], [NAME_DELAY_MAX.as_secs(); 3]);
        assert_eq!(attempts.begin(at(now + 3_600), ip(99), "ann"), Ok(()));
        assert_eq!(attempts.begin(at(now + 3_600), ip(99), "ann"), Ok(()), "forgiven after an hour");
    }

    #[test]
    fn an_address_is_locked_whatever_names_it_tries() {
        let mut attempts = Attempts::default();
        for guess in 0..ADDRESS_FREE {
            assert_eq!(attempts.begin(at(0), ip(1), &format!("n{guess}")), Ok(()));
        }
        assert_eq!(attempts.begin(at(0), ip(1), "another"), Err(Locked { seconds: 1 }));
        assert_eq!(attempts.begin(at(0), ip(2), "another"), Ok(()));
        let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
        for guess in 0..ADDRESS_FREE {
            assert_eq!(
                attempts.begin(at(0), v6(&format!("2001:db8::{guess}")), &format!("m{guess}")),
                Ok(())
            );
        }
        assert!(attempts.begin(at(0), v6("2001:db8::ffff"), "m").is_err(), "one network of 64 bits");
    }

    #[test]
    fn who_succeeds_is_not_delayed_and_frees_the_name_alone() {
        let mut attempts = Attempts::default();
        for _ in 0..100 {
            assert_eq!(attempts.begin(at(0), ip(1), "ann"), Ok(()));
            attempts.succeeded(ip(1), "ann");
        }
        // One's own account between guesses does not wash the address clean.
        let mut guesses = 0;
        while attempts.begin(at(1), ip(1), &format!("n{guesses}")).is_ok() {
            guesses += 1;
            if attempts.begin(at(1), ip(1), "ann").is_ok() {
                attempts.succeeded(ip(1), "ann");
            }
            assert!(guesses <= ADDRESS_FREE);
        }
        assert!(guesses >= ADDRESS_FREE - 1, "{guesses}");
    }
}
