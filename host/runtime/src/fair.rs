//! Fair time slices between plugins.
//!
//! A guest yields after every slice of fuel. Without more, a hundred spinning guests of one plugin would take a hundred
//! turns for every turn of their neighbour, and the host's own I/O would wait behind all of them. So a guest that used
//! up a slice gives its turn back and queues here, **per plugin**: at most as many of them are runnable as there are
//! worker threads, and the next turn goes to the next plugin in the ring, not to the next instance. A guest that needs
//! less than one slice never comes here, nor to those threads.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::body::now;
use crate::home::Home;
use crate::stats::CallStats;

/// Turns that a guest takes in a row while no other one wants any, and for how long. Giving each back wakes an idle worker for
/// nothing; meanwhile that worker looks after the host's I/O.
const ALONE_TURNS: u32 = 8;
const ALONE_FOR: Duration = Duration::from_millis(1);

/// After so many slices a worker offers its processor to others.
const SLICES_IN_A_ROW: u32 = 4;

/// Identifies whose share a slice counts against.
pub(crate) type Party = u64;

/// The turns of all guests of a host.
#[derive(Debug)]
pub(crate) struct FairShare {
    // Held for a few pointer moves; never over a poll or a wake.
    state: Mutex<State>,
    /// Guests that may be runnable at once past their first slice: one for each worker thread.
    turns: usize,
    /// Where those run.
    home: Home,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    ring: VecDeque<Party>,
    waiting: HashMap<Party, VecDeque<Arc<Ticket>>>,
}

/// One wish for one slice.
#[derive(Debug)]
struct Ticket {
    state: AtomicU8,
    waker: AtomicWaker,
}

const WAITING: u8 = 0;
const GRANTED: u8 = 1;
const GONE: u8 = 2;

impl FairShare {
    pub(crate) fn new(home: Home) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), turns: home.workers().max(1), home })
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Queues for a slice.
    fn ask(&self, party: Party, waker: &Waker) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket { state: AtomicU8::new(WAITING), waker: AtomicWaker::new() });
        ticket.waker.register(waker);
        let mut state = self.state.lock();
        let State { ring, waiting, .. } = &mut *state;
        let queue = waiting.entry(party).or_insert_with(|| {
            ring.push_back(party);
            VecDeque::new()
        });
        queue.push_back(Arc::clone(&ticket));
        drop(state);
        self.grant();
        ticket
    }

    /// Gives a turn back.
    fn done(&self) {
        {
            let mut state = self.state.lock();
            state.taken = state.taken.saturating_sub(1);
        }
        self.grant();
    }

    /// Whether the guest that has a turn is the only one past its first slice, and leaves a worker thread free.
    fn is_alone(&self) -> bool {
        let state = self.state.lock();
        self.turns > 1 && state.taken == 1 && state.ring.is_empty()
    }

    /// Hands out free turns, plugin by plugin.
    fn grant(&self) {
        loop {
            let granted = {
                let mut state = self.state.lock();
                if state.taken >= self.turns {
                    return;
                }
                let Some(ticket) = state.next() else { return };
                if ticket.state.compare_exchange(WAITING, GRANTED, Ordering::AcqRel, Ordering::Acquire).is_err() {
                    continue;
                }
                state.taken += 1;
                ticket
            };
            if let Some(waker) = granted.waker.take() {
                wake_after_io(&waker);
            }
        }
    }
}

impl State {
    /// The first ticket of the plugin whose turn it is, which goes to the end of the ring.
    fn next(&mut self) -> Option<Arc<Ticket>> {
        let party = self.ring.pop_front()?;
        let queue = self.waiting.get_mut(&party)?;
        let ticket = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&party);
        } else {
            self.ring.push_back(party);
        }
        ticket
    }
}

/// Wakes a task once its worker has looked at sockets and timers. A plain wake would put the task before them, and
/// tokio looks at I/O only every 61 turns of a busy worker.
fn wake_after_io(waker: &Waker) {
    let mut context = Context::from_waker(waker);
    let yielding = std::pin::pin!(tokio::task::yield_now());
    if yielding.poll(&mut context).is_ready() {
        waker.wake_by_ref();
    }
}

/// Lets the system run another thread after a few slices. It would have a worker go on for long while an event loop beside it
/// has something short to do. To yield after each is dear: Linux takes it for a wish to be last.
fn yield_now_and_then() {
    thread_local!(static SLICES: Cell<u32> = const { Cell::new(0) });
    let slices = SLICES.get() + 1;
    SLICES.set(slices % SLICES_IN_A_ROW);
    if slices == SLICES_IN_A_ROW {
        std::thread::yield_now();
    }
}

/// A guest's future that takes turns.
pub(crate) struct Fair<F, S: Deref<Target = FairShare> = Arc<FairShare>, C: Deref<Target = CallStats> = Arc<CallStats>>
{
    inner: F,
    share: S,
    party: Party,
    stats: C,
    ticket: Option<Arc<Ticket>>,
    detector: Arc<Detector>,
    waker: Waker,
}

/// Notices that the guest woke itself while it ran, which is how wasmtime yields after a slice of fuel.
struct Detector {
    state: AtomicU8,
    outer: AtomicWaker,
}

const IDLE: u8 = 0;
const POLLING: u8 = 1;
const WOKEN: u8 = 2;

impl Wake for Detector {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let swapped = self.state.compare_exchange(POLLING, WOKEN, Ordering::AcqRel, Ordering::Acquire);
        if swapped == Err(IDLE) {
            self.outer.wake();
        }
    }
}

impl<F, S: Deref<Target = FairShare>, C: Deref<Target = CallStats>> Fair<F, S, C> {
    pub(crate) fn new(inner: F, share: S, party: Party, stats: C) -> Self {
        let detector = Arc::new(Detector { state: AtomicU8::new(IDLE), outer: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&detector));
        Self { inner, share, party, stats, ticket: None, detector, waker }
    }
}

impl<F, S, C> Future for Fair<F, S, C>
where
    F: Future + Unpin,
    S: Deref<Target = FairShare> + Unpin,
    C: Deref<Target = CallStats> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.detector.outer.register(cx.waker());
        if let Some(ticket) = &this.ticket {
            ticket.waker.register(cx.waker());
            if ticket.state.load(Ordering::Acquire) != GRANTED {
                return Poll::Pending;
            }
        }
        let turn = this.ticket.take().map(|_| Turn(&this.share));
        let mut alone = Alone::default();
        loop {
            this.detector.state.store(POLLING, Ordering::Release);
            let polled = Pin::new(&mut this.inner).poll(&mut Context::from_waker(&this.waker));
            let woken = this.detector.state.swap(IDLE, Ordering::AcqRel) == WOKEN;
            if polled.is_ready() || !woken {
                return polled;
            }
            this.stats.slice.ended();
            if this.share.home.is_here() {
                yield_now_and_then();
            } else {
                this.stats.send_to(&this.share.home);
            }
            // Without a budget of tokio's, whatever it waits for makes it wait until its task yields.
            let goes_on = turn.is_some() && alone.again(&this.share) && tokio::task::coop::has_budget_remaining();
            if !goes_on {
                this.ticket = Some(this.share.ask(this.party, cx.waker()));
                return polled;
            }
        }
    }
}

/// A turn that is given back however it ends: the host's own code may panic in it.
struct Turn<'a>(&'a FairShare);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.done();
    }
}

/// Turns in a row.
#[derive(Default)]
struct Alone {
    turns: u32,
    since: Option<Instant>,
}

impl Alone {
    /// Whether the guest that ended a turn may take the next one at once.
    fn again(&mut self, share: &FairShare) -> bool {
        self.turns += 1;
        if self.turns >= ALONE_TURNS || !share.is_alone() {
            return false;
        }
        let now = now();
        now.saturating_duration_since(*self.since.get_or_insert(now)) < ALONE_FOR
    }
}

impl<F, S: Deref<Target = FairShare>, C: Deref<Target = CallStats>> Drop for Fair<F, S, C> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take()
            && ticket.state.swap(GONE, Ordering::AcqRel) == GRANTED
        {
            self.share.done();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use super::*;

    fn share(turns: usize) -> Arc<FairShare> {
        Arc::new(FairShare { state: Mutex::default(), turns, home: Home::here() })
    }

    fn stats() -> Arc<CallStats> {
        Arc::new(CallStats::of_some_call(0))
    }

    /// Spins for so many slices and notes each.
    async fn spin(name: char, slices: usize, trace: Arc<StdMutex<String>>) {
        for _ in 0..slices {
            trace.lock().unwrap().push(name);
            let mut yielded = false;
            std::future::poll_fn(|cx| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }

    #[tokio::test]
    async fn slices_alternate_between_plugins_not_instances() {
        let share = share(1);
        let trace = Arc::new(StdMutex::new(String::new()));
        let mut tasks = Vec::new();
        for _ in 0..9 {
            let spinner = Box::pin(spin('a', 50, Arc::clone(&trace)));
            tasks.push(tokio::spawn(Fair::new(spinner, Arc::clone(&share), 1, stats())));
        }
        tasks.push(tokio::spawn(Fair::new(
            Box::pin(spin('b', 50, Arc::clone(&trace))),
            Arc::clone(&share),
            2,
            stats(),
        )));
        for task in tasks {
            task.await.unwrap();
        }
        let trace = trace.lock().unwrap().clone();
        let last_b = trace.rfind('b').unwrap();
        let before = trace[..last_b].matches('a').count();
        // One instance of `b` beside nine of `a` gets half of the slices; by instance it would get a tenth, and 450
        // slices of `a` would run before its last.
        assert!(before <= 75, "{before} slices of the neighbour before the last of b: {trace}");
        assert_eq!(share.state.lock().taken, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_is_alone_gives_back_few_of_its_turns() {
        let share = share(2);
        let trace = Arc::new(StdMutex::new(String::new()));
        let spinner = |name| Fair::new(Box::pin(spin(name, 50, Arc::clone(&trace))), Arc::clone(&share), 1, stats());
        let (mut one, mut other) = (spinner('x'), spinner('y'));
        let mut context = Context::from_waker(Waker::noop());
        let mut turns_of = |guest: &mut Fair<_>| {
            trace.lock().unwrap().clear();
            assert!(Pin::new(guest).poll(&mut context).is_pending());
            trace.lock().unwrap().len()
        };
        assert_eq!([turns_of(&mut one), turns_of(&mut one)], [1, 8], "the first turn is for everybody");
        assert_eq!([turns_of(&mut other), turns_of(&mut one), turns_of(&mut other)], [1, 1, 1], "two share");
        drop(other);
        assert_eq!(turns_of(&mut one), 8);
    }

    #[tokio::test]
    async fn turns_that_take_long_are_given_back_all_the_same() {
        let share = share(2);
        drop(share.ask(1, Waker::noop()));
        let mut alone = Alone::default();
        assert!(alone.again(&share));
        alone.since = alone.since.map(|since| since.checked_sub(ALONE_FOR).unwrap());
        assert!(!alone.again(&share));
    }

    #[tokio::test]
    async fn a_panic_gives_the_turn_back() {
        let share = share(1);
        let guest = async {
            spin('x', 1, Arc::default()).await;
            panic!("the host's own code");
        };
        let guest: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(guest);
        assert!(tokio::spawn(Fair::new(guest, Arc::clone(&share), 1, stats())).await.unwrap_err().is_panic());
        assert_eq!(share.state.lock().taken, 0);
    }

    #[tokio::test]
    async fn a_dropped_guest_gives_its_turn_back() {
        let share = share(1);
        let trace = Arc::new(StdMutex::new(String::new()));
        for _ in 0..3 {
            let mut guest = Fair::new(Box::pin(spin('x', 50, Arc::clone(&trace))), Arc::clone(&share), 1, stats());
            let mut context = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut guest).poll(&mut context).is_pending());
        }
        assert_eq!(share.state.lock().taken, 0);
        Fair::new(Box::pin(spin('y', 5, trace)), Arc::clone(&share), 2, stats()).await;
        assert_eq!(share.state.lock().taken, 0);
    }
}
