//! Live instances: a store with a guest in it, fresh for a call or reused.

use std::sync::Arc;

use skep_types::{Failure, Phase};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{CallHook, Store, StoreContextMut, Trap};

use crate::body::now;
use crate::classify::{PastDeadline, classify};
use crate::linked::{Guest, Role};
use crate::revision::Revision;
use crate::slice::{Paid, TURN_FUEL};
use crate::state::CallState;
use crate::stats::CallStats;

/// A store with its guest, kept between calls only for plugins that opted into reuse.
pub(crate) struct Live {
    pub(crate) store: Store<CallState>,
    pub(crate) guest: Guest,
    pub(crate) uses: u32,
    /// Its place among the idle instances, once it has been one of them. Last: the store goes before its place.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

impl Live {
    fn new(store: Store<CallState>, guest: Guest) -> Self {
        Self { store, guest, uses: 1, place: None }
    }
}

/// A live instance for the length of one call. Whatever ends the call, dropping this records what it cost.
pub(crate) struct Running<'a> {
    live: Option<Live>,
    revision: &'a Revision,
    stats: &'a Arc<CallStats>,
    fuel: u64,
    role: Role,
    /// Where a call that ended well may leave its instance.
    finished: bool,
}

impl<'a> Running<'a> {
    /// A warm instance if there is one, else a fresh one. The limits are armed before any guest code runs.
    pub(crate) async fn start(
        revision: &'a Revision,
        stats: &'a Arc<CallStats>,
        charge: usize,
        role: Role,
    ) -> Result<Self, Failure> {
        Self::start_with(revision, stats, revision.limits().fuel, charge, role).await
    }

    /// The same with this much fuel.
    pub(crate) async fn start_with(
        revision: &'a Revision,
        stats: &'a Arc<CallStats>,
        fuel: u64,
        charge: usize,
        role: Role,
    ) -> Result<Self, Failure> {
        stats.enter(Phase::Instantiate);
        let tank = fuel.saturating_sub(charge as u64);
        let mut running = Self { live: None, revision, stats, fuel, role, finished: false };
        let internal = |error: wasmtime::Error| {
            Failure::new(skep_types::FailureKind::Internal, Phase::Instantiate, format!("{error:#}"))
        };
        // Warm instances are HTTP handlers.
        let warm =
            if role == Role::Http && revision.instances().uses_max() > 1 { revision.warm().take() } else { None };
        if let Some(mut live) = warm {
            live.store.data_mut().start_call(stats);
            fuel_up(&mut live.store, tank).map_err(internal)?;
            live.uses += 1;
            running.live = Some(live);
        } else {
            let mut store = new_store(revision, stats);
            fuel_up(&mut store, tank).map_err(internal)?;
            // The store goes into a guard at once: a start function that never ends is recorded like any other call.
            let mut starting = Starting { store: Some(store), fuel, stats };
            let guest = match starting.store.as_mut() {
                Some(store) => revision.instantiate(store, role).await,
                None => return Err(Failure::new(skep_types::FailureKind::Internal, Phase::Instantiate, "no store")),
            };
            match guest {
                Ok(guest) => running.live = starting.store.take().map(|store| Live::new(store, guest)),
                Err(error) => {
                    starting.record();
                    return Err(classify(&error, stats, revision.limits(), revision.export(role)));
                }
            }
        }
        stats.enter(Phase::Handle);
        Ok(running)
    }

    /// An instance that lives longer than its calls, for its next one.
    pub(crate) fn again(
        mut live: Live,
        revision: &'a Revision,
        stats: &'a Arc<CallStats>,
        fuel: u64,
        charge: usize,
        role: Role,
    ) -> Result<Self, Failure> {
        live.store.data_mut().start_call(stats);
        fuel_up(&mut live.store, fuel.saturating_sub(charge as u64)).map_err(|error| {
            Failure::new(skep_types::FailureKind::Internal, Phase::Instantiate, format!("{error:#}"))
        })?;
        stats.enter(Phase::Handle);
        Ok(Self { live: Some(live), revision, stats, fuel, role, finished: false })
    }

    /// The call ended well, and whoever asked keeps the instance.
    pub(crate) fn keep(mut self) -> Option<Live> {
        self.record();
        let mut live = self.live.take()?;
        live.store.data_mut().end_call();
        Some(live)
    }

    /// The store and the guest.
    pub(crate) fn parts(&mut self) -> Option<(&mut Store<CallState>, &Guest)> {
        self.live.as_mut().map(|live| (&mut live.store, &live.guest))
    }

    /// The call ended with an error of wasmtime: says what it means, and makes sure that whoever reads a body that
    /// this guest was writing learns of it before the body ends.
    pub(crate) fn failed(&mut self, error: &wasmtime::Error) -> Failure {
        self.record();
        let failure = classify(error, self.stats, self.revision.limits(), self.revision.export(self.role));
        self.stats.cut_off(failure.clone());
        failure
    }

    /// The call ended well: the instance may serve another one.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }

    fn record(&self) {
        if let Some(live) = &self.live {
            record(&live.store, self.fuel, self.stats);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.record();
        if let Some(live) = &mut self.live {
            live.store.data_mut().end_call();
        }
        if self.finished
            && let Some(live) = self.live.take()
        {
            self.revision.warm().give_back(live, self.revision.instances().uses_max());
        }
    }
}

/// A store whose start functions run.
struct Starting<'a> {
    store: Option<Store<CallState>>,
    fuel: u64,
    stats: &'a CallStats,
}

impl Starting<'_> {
    fn record(&self) {
        if let Some(store) = &self.store {
            record(store, self.fuel, self.stats);
        }
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.record();
    }
}

fn record(store: &Store<CallState>, fuel: u64, stats: &CallStats) {
    let state = store.data();
    let (left, memory) = (state.left(store.get_fuel()), &state.memory);
    stats.record(fuel.saturating_sub(left), memory.peak(), memory.denied());
}

fn new_store(revision: &Revision, stats: &Arc<CallStats>) -> Store<CallState> {
    let limits = revision.limits();
    let state = CallState::new(Arc::clone(revision.env()), Arc::clone(stats), limits.memory.as_usize());
    let mut store = Store::new(revision.engine(), state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(revision.hostcall_bytes());
    store.call_hook(|mut store, hook| match hook {
        CallHook::ReturningFromHost => settle(&mut store),
        CallHook::CallingHost | CallHook::CallingWasm | CallHook::ReturningFromWasm => Ok(()),
    });
    store
}

/// Fuel for a call, and a turn that begins.
fn fuel_up(store: &mut Store<CallState>, fuel: u64) -> wasmtime::Result<()> {
    store.fuel_async_yield_interval(Some(TURN_FUEL))?;
    store.set_fuel(fuel)
}

/// What a guest may owe before it is collected. Setting a store's fuel takes longer than a short host function does.
const OWED_MAX: u64 = 1 << 10;

/// A host function returns: what it costs is collected.
fn settle(store: &mut StoreContextMut<'_, CallState>) -> wasmtime::Result<()> {
    let debt = store.data().stats.settle();
    if debt > 0 {
        charge(store, debt)?;
    }
    // Yielding is such a function, too.
    if store.data().stats.slice.goes_on() {
        store.fuel_async_yield_interval(Some(TURN_FUEL))?;
    }
    Ok(())
}

/// Notes what the guest owes, and takes it once it is much.
pub(crate) fn charge(store: &mut StoreContextMut<'_, CallState>, fuel: u64) -> wasmtime::Result<()> {
    let owed = &mut store.data_mut().owed;
    *owed = owed.saturating_add(fuel);
    if *owed < OWED_MAX {
        return Ok(());
    }
    let fuel = std::mem::take(owed);
    pay(store, fuel)
}

/// Takes fuel from the guest.
fn pay(store: &mut StoreContextMut<'_, CallState>, fuel: u64) -> wasmtime::Result<()> {
    let before = store.get_fuel()?;
    let after = before.saturating_sub(fuel);
    let stats = &store.data().stats;
    let interval = match stats.slice.paid(before, after) {
        Paid::Goes(interval) => interval,
        // Fuel is looked at where functions and loops begin. There may be many calls before that.
        Paid::Over if after == 0 => return Err(Trap::OutOfFuel.into()),
        Paid::Over if now() >= stats.deadline => return Err(PastDeadline.into()),
        Paid::Over => Some(1),
    };
    // In this order: what sets the fuel begins the interval.
    if interval.is_some() {
        store.fuel_async_yield_interval(interval)?;
    }
    store.set_fuel(after)
}
