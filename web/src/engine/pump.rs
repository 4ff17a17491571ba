//! One pump: whatever happens is queued, and one loop takes it in, one thing after the other.
//!
//! Callbacks of the browser never touch the host: they queue, and turn the pump unless it is turning already. A turn
//! ends after a few milliseconds of work and goes on after the event loop had its turn, so that messages, timers and
//! sockets are never starved.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use shared::engine::{EffectResult, Input};
use shared::id::EffectId;

use super::host::Host;
use crate::platform::JsError;
use crate::platform::clock::Clock;
use crate::platform::timer::{Alarm, Yielder};

/// Milliseconds of one turn. A message of 256 KiB takes about one.
const TURN_MS: f64 = 12.0;

/// Something that happened.
enum Arrival {
    Input(Input),
    Run(Box<dyn FnOnce(&mut Host)>),
}

/// The queue, the clock and the host.
pub(super) struct Pump {
    pub(super) clock: Clock,
    me: Weak<Self>,
    arrivals: RefCell<VecDeque<Arrival>>,
    host: RefCell<Option<Host>>,
    turning: Cell<bool>,
    yielder: OnceCell<Yielder>,
    alarm: RefCell<Alarm>,
}

impl Pump {
    /// A pump that queues what arrives until it has a host.
    pub(super) fn new() -> Result<Rc<Self>, JsError> {
        let clock = Clock::new()?;
        let pump = Rc::new_cyclic(|me: &Weak<Self>| {
            let ring = Weak::clone(me);
            let alarm = Alarm::new(move || {
                if let Some(pump) = ring.upgrade() {
                    pump.input(Input::Timeout);
                }
            });
            Self {
                clock,
                me: Weak::clone(me),
                arrivals: RefCell::default(),
                host: RefCell::default(),
                turning: Cell::new(false),
                yielder: OnceCell::new(),
                alarm: RefCell::new(alarm),
            }
        });
        let again = Rc::downgrade(&pump);
        let yielder = Yielder::new(move || {
            if let Some(pump) = again.upgrade() {
                pump.turn();
            }
        })?;
        // New, so nobody has set it.
        let _ = pump.yielder.set(yielder);
        Ok(pump)
    }

    /// Gives the pump its host, and takes in what has arrived so far.
    pub(super) fn begin(&self, host: Host) {
        self.host.replace(Some(host));
        self.turn();
    }

    /// Queues an input of the engine.
    pub(super) fn input(&self, input: Input) {
        self.arrive(Arrival::Input(input));
    }

    /// Queues something that is to be done with the host.
    pub(super) fn run(&self, work: impl FnOnce(&mut Host) + 'static) {
        self.arrive(Arrival::Run(Box::new(work)));
    }

    /// Another handle on this pump, for callbacks.
    pub(super) fn handle(&self) -> Handle {
        Handle(Weak::clone(&self.me))
    }

    fn arrive(&self, arrival: Arrival) {
        self.arrivals.borrow_mut().push_back(arrival);
        self.turn();
    }

    fn turn(&self) {
        if self.turning.replace(true) {
            return;
        }
        if let Some(host) = &mut *self.host.borrow_mut() {
            self.take_in(host);
        }
        self.turning.set(false);
    }

    fn take_in(&self, host: &mut Host) {
        // A machine that slept wakes to a timer or a message; the engine hears of the time that passed with it.
        self.clock.notice_sleep();
        let started = self.clock.millis();
        loop {
            let arrival = self.arrivals.borrow_mut().pop_front();
            let Some(arrival) = arrival else {
                host.settle(self.clock.now());
                if self.arrivals.borrow().is_empty() {
                    break;
                }
                continue;
            };
            let now = self.clock.now();
            match arrival {
                Arrival::Input(input) => host.engine.handle_input(now, input),
                Arrival::Run(work) => work(host),
            }
            host.drain(now);
            if self.clock.millis() - started > TURN_MS {
                if let Some(yielder) = self.yielder.get() {
                    yielder.schedule();
                }
                break;
            }
        }
        self.arm(host);
    }

    fn arm(&self, host: &Host) {
        let mut alarm = self.alarm.borrow_mut();
        let Some(deadline) = host.deadline else { return alarm.disarm() };
        let wait = deadline.saturating_since(self.clock.now());
        let millis = u32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX >> 1);
        alarm.arm(deadline.as_nanos(), millis.min(u32::MAX >> 1));
    }
}

/// A handle that does not keep the pump alive: callbacks outlive it by a moment when the worker ends.
#[derive(Clone)]
pub(super) struct Handle(Weak<Pump>);

impl Handle {
    /// See [`Pump::input`].
    pub(super) fn input(&self, input: Input) {
        if let Some(pump) = self.0.upgrade() {
            pump.input(input);
        }
    }

    /// Queues the result of an effect.
    pub(super) fn done(&self, id: EffectId, result: EffectResult) {
        self.input(Input::EffectDone { id, result });
    }

    /// See [`Pump::run`].
    pub(super) fn run(&self, work: impl FnOnce(&mut Host) + 'static) {
        if let Some(pump) = self.0.upgrade() {
            pump.run(work);
        }
    }
}
