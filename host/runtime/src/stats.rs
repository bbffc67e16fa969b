//! What is known of one call while it runs, shared by the guest's store, its log streams and whoever waits for it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use skep_types::{Call, Clock as _, Failure, Phase, PluginName, SystemClock};

use crate::body::now;
use crate::home::Home;
use crate::slice::Slice;

/// One call's facts. It is bound to the call, not to the store, so that a reused instance carries nothing over.
#[derive(Debug)]
pub(crate) struct CallStats {
    plugin: PluginName,
    call: Call,
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    /// The wall time of the deadline, once a guest has asked for it.
    deadline_wall: OnceLock<SystemTime>,
    /// The client's `traceparent`, if it sent one.
    pub(crate) traceparent: Option<String>,
    phase: AtomicU8,
    fuel_used: AtomicU64,
    memory_peak: AtomicU64,
    memory_denied: AtomicBool,
    /// Bytes that host functions copied and that the guest has not paid fuel for yet.
    fuel_debt: AtomicU64,
    pub(crate) slice: Slice,
    log_left: AtomicU64,
    log_dropped: AtomicU64,
    request_too_large: AtomicBool,
    /// Where it is to go on, once it has become long elsewhere.
    home: OnceLock<Home>,
    /// Why the host cut the call off, if it did; set before the guest's store is dropped.
    cause: OnceLock<Failure>,
}

impl CallStats {
    pub(crate) fn new(
        plugin: PluginName,
        call: Call,
        (started, deadline): (Instant, Instant),
        log_bytes: u64,
        traceparent: Option<String>,
    ) -> Self {
        Self {
            plugin,
            call,
            started,
            deadline,
            deadline_wall: OnceLock::new(),
            traceparent,
            phase: AtomicU8::new(Phase::Receive as u8),
            fuel_used: AtomicU64::new(0),
            memory_peak: AtomicU64::new(0),
            memory_denied: AtomicBool::new(false),
            fuel_debt: AtomicU64::new(0),
            slice: Slice::new(),
            log_left: AtomicU64::new(log_bytes),
            log_dropped: AtomicU64::new(0),
            request_too_large: AtomicBool::new(false),
            home: OnceLock::new(),
            cause: OnceLock::new(),
        }
    }

    /// Some call, that so many plugins made before.
    #[cfg(test)]
    pub(crate) fn of_some_call(hops: u8) -> Self {
        let id = skep_types::RequestId::from_bits(1);
        let call = Call { id, client: [127, 0, 0, 1].into(), secure: false, captures: Vec::new(), hops };
        let now = now();
        Self::new(PluginName::new("guest").unwrap(), call, (now, now), 0, None)
    }

    pub(crate) fn plugin(&self) -> &PluginName {
        &self.plugin
    }

    pub(crate) fn call(&self) -> &Call {
        &self.call
    }

    pub(crate) fn request_id(&self) -> &skep_types::RequestId {
        &self.call.id
    }

    /// The wall time of the deadline: the same whenever it is asked for.
    pub(crate) fn deadline_wall(&self) -> SystemTime {
        let left = || self.deadline.saturating_duration_since(now());
        *self.deadline_wall.get_or_init(|| SystemClock.wall() + left())
    }

    /// It has become long where short ones are: it is to go on there.
    pub(crate) fn send_to(&self, home: &Home) {
        self.home.get_or_init(|| home.clone());
    }

    /// Where it is to go on, if not where it began.
    pub(crate) fn wanted_at(&self) -> Option<&Home> {
        self.home.get()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// How far the call has come.
    pub(crate) fn phase(&self) -> Phase {
        let phase = self.phase.load(Ordering::Relaxed);
        Phase::ALL.get(usize::from(phase)).copied().unwrap_or(Phase::Handle)
    }

    /// Takes up to so many bytes of the log limit; each costs a unit of fuel as well.
    pub(crate) fn take_log_budget(&self, wanted: usize) -> usize {
        self.owe(wanted);
        let wanted = wanted as u64;
        let before = self
            .log_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(wanted)))
            .unwrap_or_default();
        let taken = before.min(wanted);
        if taken < wanted {
            self.log_dropped.fetch_add(wanted - taken, Ordering::Relaxed);
        }
        usize::try_from(taken).unwrap_or(usize::MAX)
    }

    pub(crate) fn log_dropped(&self) -> u64 {
        self.log_dropped.load(Ordering::Relaxed)
    }

    /// Charges the guest for bytes that the host copied on its behalf.
    pub(crate) fn owe(&self, bytes: usize) {
        self.fuel_debt.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What the guest owes, to be paid now.
    pub(crate) fn settle(&self) -> u64 {
        // A plain load first: nearly every host call owes nothing, and a swap is a locked instruction.
        if self.fuel_debt.load(Ordering::Relaxed) == 0 { 0 } else { self.fuel_debt.swap(0, Ordering::Relaxed) }
    }

    /// Notes what the store says at the end of the call.
    pub(crate) fn record(&self, fuel_used: u64, memory_peak: usize, memory_denied: bool) {
        self.fuel_used.store(fuel_used, Ordering::Relaxed);
        self.memory_peak.store(memory_peak as u64, Ordering::Relaxed);
        self.memory_denied.store(memory_denied, Ordering::Relaxed);
    }

    pub(crate) fn fuel_used(&self) -> u64 {
        self.fuel_used.load(Ordering::Relaxed)
    }

    pub(crate) fn memory_peak(&self) -> u64 {
        self.memory_peak.load(Ordering::Relaxed)
    }

    pub(crate) fn memory_denied(&self) -> bool {
        self.memory_denied.load(Ordering::Relaxed)
    }

    pub(crate) fn note_request_too_large(&self) {
        self.request_too_large.store(true, Ordering::Relaxed);
    }

    pub(crate) fn request_too_large(&self) -> bool {
        self.request_too_large.load(Ordering::Relaxed)
    }

    /// Says why the call is about to be cut off; the first cause counts.
    pub(crate) fn cut_off(&self, cause: Failure) {
        // A second cause is not news: the call is over already.
        let _ = self.cause.set(cause);
    }

    pub(crate) fn cause(&self) -> Option<&Failure> {
        self.cause.get()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_guest_is_told_one_wall_time_of_its_deadline() {
        const MINUTE: Duration = Duration::from_secs(60);
        let before = SystemClock.wall();
        let stats = CallStats { deadline: now() + MINUTE, ..CallStats::of_some_call(0) };
        let told = stats.deadline_wall();
        assert!(told > before + MINUTE / 2 && told <= SystemClock.wall() + MINUTE);
        assert_eq!(stats.deadline_wall(), told);
    }
}
