//! A revision: one component with its settings, compiled, linked and ready to be called.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderName, Request, Response, StatusCode};
use parking_lot::Mutex;
use skep_types::{Call, Failure, FailureKind, Instances, Limits, Phase, PluginName, RevisionId, SharedObserver};
use tokio_util::sync::CancellationToken;
use wasmtime::{Engine, Store};

use crate::admission::{Admission, Doors};
use crate::body::{CallBody, RequestBody, now, too_large};
use crate::declared::Declared;
use crate::drive;
use crate::drive::wasi::Unfinished;
use crate::engine::EngineKind;
use crate::fair::{FairShare, Party};
use crate::handling::Handling;
use crate::home::Home;
use crate::inspect::HandlerKind;
use crate::instance::Running;
use crate::linked::{Guest, Linked, Role};
use crate::report::Report;
use crate::rounds::after_the_others;
use crate::state::{CallState, GuestEnv};
use crate::stats::CallStats;
use crate::unwind::caught;
use crate::warm::Warm;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Revisions that are in memory, whether they serve, drain or wait for a rollback. A test of leaks reads it.
static LIVE: AtomicI64 = AtomicI64::new(0);

/// Everything that a revision is made of.
pub(crate) struct Parts {
    pub(crate) id: RevisionId,
    pub(crate) name: PluginName,
    pub(crate) engine_kind: EngineKind,
    pub(crate) engine: Engine,
    pub(crate) linked: Linked,
    pub(crate) limits: Limits,
    pub(crate) instances: Instances,
    pub(crate) env: Arc<GuestEnv>,
    pub(crate) doors: Doors,
    pub(crate) fair: Arc<FairShare>,
    pub(crate) party: Party,
    pub(crate) warm: Warm,
    pub(crate) observer: SharedObserver,
}

/// One immutable version of a plugin. Calls hold it; the last one to end lets it go.
pub struct Revision {
    parts: Parts,
    declared: OnceLock<Declared>,
    // Held for a clone or a swap, never over an await.
    retired: Mutex<CancellationToken>,
    _live: LiveCount,
}

struct LiveCount;

impl LiveCount {
    fn new() -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for LiveCount {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Revision {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, declared: OnceLock::new(), retired: Mutex::default(), _live: LiveCount::new() }
    }

    /// How many revisions are in memory, in the whole process.
    #[must_use]
    pub fn live() -> i64 {
        LIVE.load(Ordering::Relaxed)
    }

    /// The content hash of component and settings.
    #[must_use]
    pub fn id(&self) -> &RevisionId {
        &self.parts.id
    }

    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &PluginName {
        &self.parts.name
    }

    /// The limits that its calls run under.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// How it answers HTTP requests, if it does.
    #[must_use]
    pub fn kind(&self) -> Option<HandlerKind> {
        self.parts.linked.http()
    }

    pub(crate) fn handles(&self, role: Role) -> bool {
        self.parts.linked.handles(role)
    }

    /// What the component says of its handlers; nothing before it was asked.
    #[must_use]
    pub fn declared(&self) -> &Declared {
        static NOTHING: Declared = Declared {
            subscriptions: Vec::new(),
            jobs: Vec::new(),
            processes: Vec::new(),
            channels: Vec::new(),
            tasks: Vec::new(),
        };
        self.declared.get().unwrap_or(&NOTHING)
    }

    pub(crate) fn set_declared(&self, declared: Declared) {
        // A second answer of the same component is the same.
        let _ = self.declared.set(declared);
    }

    /// The engine that it runs on.
    #[must_use]
    pub fn engine_kind(&self) -> EngineKind {
        self.parts.engine_kind
    }

    /// Fresh or reused instances.
    #[must_use]
    pub fn instances(&self) -> Instances {
        self.parts.instances
    }

    /// Instances at work now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.parts.doors.http.running()
    }

    /// Instances of its tasks at work now.
    #[must_use]
    pub fn tasks_running(&self) -> usize {
        self.parts.doors.tasks.iter().map(|door| door.running()).sum()
    }

    /// Calls that wait for an instance now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.parts.doors.http.waiting()
    }

    pub(crate) fn export(&self, role: Role) -> &'static str {
        self.parts.linked.export(role)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.parts.engine
    }

    pub(crate) fn env(&self) -> &Arc<GuestEnv> {
        &self.parts.env
    }

    pub(crate) fn admission(&self) -> &Arc<Admission> {
        &self.parts.doors.http
    }

    pub(crate) fn doors(&self) -> &Doors {
        &self.parts.doors
    }

    pub(crate) fn fair(&self) -> &Arc<FairShare> {
        &self.parts.fair
    }

    pub(crate) fn home(&self) -> &Home {
        self.parts.fair.home()
    }

    pub(crate) fn party(&self) -> Party {
        self.parts.party
    }

    pub(crate) fn warm(&self) -> &Warm {
        &self.parts.warm
    }

    pub(crate) fn observer(&self) -> &SharedObserver {
        &self.parts.observer
    }

    /// What the host copies out of the guest at once. The fast path returns a whole answer in one go.
    pub(crate) fn hostcall_bytes(&self) -> usize {
        let limits = self.limits();
        let answer = match self.kind() {
            // The copy of the headers costs their records as well; a too large answer is then told apart by its kind.
            Some(HandlerKind::Fast) => {
                limits.response_body.0.saturating_add(limits.response_headers.0 * 4).saturating_add(64 << 10)
            }
            Some(HandlerKind::Wasi02 | HandlerKind::Wasi03) | None => 0,
        };
        limits.host_memory.as_usize().max(usize::try_from(answer).unwrap_or(usize::MAX))
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<CallState>, role: Role) -> wasmtime::Result<Guest> {
        self.parts.linked.instantiate(store, role).await
    }

    /// Answers a request.
    ///
    /// The answer's head comes within the deadline or not at all; its body may go on under `stream_idle`. Dropping the
    /// future, or the body, cancels the guest. The end of the call is reported once, whatever it is.
    ///
    /// # Errors
    /// Every way for the call to end without an answer; see [`FailureKind`].
    pub fn handle(self: Arc<Self>, call: Call, request: Request<RequestBody>) -> Handling {
        let traceparent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let stats = self.stats(call, traceparent);
        let (kind, body_max) = (self.kind(), self.limits().request_body);
        // It holds the revision for the call: all calls of a plugin count the same one, so each does so once.
        let report = Report::new(self, Arc::clone(&stats));
        if http_body::Body::size_hint(request.body()).lower() > body_max.0 {
            return refused(stats, report, too_large(body_max));
        }
        let its_stats = Arc::clone(&stats);
        // A future for each kind, pinned where it is made: they are large, of different sizes, and a move copies all of one. The
        // same goes for an answer, which is looked at in its place.
        let call: Pin<Box<dyn Future<Output = _> + Send>> = match kind {
            Some(HandlerKind::Fast) => boxed(|| async move {
                let this = report.revision();
                let response = {
                    let work = pin!(drive::fast::call(this, &stats, request));
                    this.within_deadline(&stats, work).await
                };
                let mut answer = response.and_then(|response| drive::fast::from_guest(response, this.limits()));
                answered(&stats, report, &mut answer);
                after_the_others(&stats).await;
                answer
            }),
            Some(HandlerKind::Wasi02 | HandlerKind::Wasi03) => boxed(|| async move {
                let this = report.revision();
                let ended = {
                    let work = pin!(drive::wasi::call(this, &stats, request));
                    this.within_deadline(&stats, work).await
                };
                let mut unfinished = None;
                let mut answer = ended.map(|answer| {
                    unfinished = answer.unfinished;
                    answer.response
                });
                match (unfinished, &answer) {
                    (Some(unfinished), Ok(response)) => goes_on(&stats, report, unfinished, response.status()),
                    _ => answered(&stats, report, &mut answer),
                }
                after_the_others(&stats).await;
                answer
            }),
            None => {
                let detail = "the plugin answers no HTTP requests: its component exports no HTTP handler";
                return refused(stats, report, Failure::new(FailureKind::NotRunning, Phase::Queue, detail));
            }
        };
        Handling::new(call, its_stats)
    }

    async fn within_deadline<T>(
        &self,
        stats: &CallStats,
        work: Pin<&mut impl Future<Output = Result<T, Failure>>>,
    ) -> Result<T, Failure> {
        let deadline = tokio::time::Instant::from_std(stats.deadline);
        // The timer is outside of the guest's future, which is dropped with the work: fuel does not run while a guest waits.
        let ended = tokio::time::timeout_at(deadline, caught(stats, work)).await;
        ended.unwrap_or_else(|_| Err(self.too_late(stats, Role::Http)))
    }

    pub(crate) fn too_late(&self, stats: &CallStats, role: Role) -> Failure {
        let (phase, deadline) = (stats.phase(), stats.deadline.saturating_duration_since(stats.started));
        match phase {
            Phase::Receive => {
                let detail = format!("the request did not arrive within {deadline:?}");
                Failure::new(FailureKind::RequestTimeout, phase, detail)
            }
            Phase::Queue => {
                let detail = format!("all instances were busy for {deadline:?}");
                Failure::new(FailureKind::Overloaded, phase, detail).retry_after(std::time::Duration::from_secs(1))
            }
            Phase::Instantiate | Phase::Handle | Phase::Stream => {
                Failure::new(FailureKind::Deadline, phase, format!("no answer within {deadline:?}"))
                    .in_function(self.export(role))
            }
        }
    }

    pub(crate) fn stats(&self, call: Call, traceparent: Option<&str>) -> Arc<CallStats> {
        self.stats_within(call, traceparent, self.limits().deadline)
    }

    pub(crate) fn stats_within(&self, call: Call, traceparent: Option<&str>, deadline: Duration) -> Arc<CallStats> {
        let started = now();
        let traceparent = traceparent.filter(|value| value.len() == 55).map(str::to_owned);
        let times = (started, started + deadline);
        Arc::new(CallStats::new(self.plugin().clone(), call, times, self.limits().log.0, traceparent))
    }

    /// Instantiates the component once, under its limits, so that a component that cannot start is never routed to.
    ///
    /// # Errors
    /// What happened instead.
    pub async fn try_out(self: &Arc<Self>, call: Call) -> Result<(), Failure> {
        let stats = self.stats(call, None);
        let role = self.parts.linked.any();
        let start = async { Running::start(self, &stats, 0, role).await.map(drop) };
        let deadline = self.limits().deadline;
        match tokio::time::timeout(deadline, start).await {
            Ok(started) => started,
            Err(_) => Err(self.too_late(&stats, role)),
        }
    }

    /// Ends what is left of this revision: streams that go on are aborted, idle instances are dropped.
    pub fn retire(&self) {
        self.retired.lock().cancel();
        self.parts.warm.close();
    }

    /// Aborts the streams that go on, as [`retire`](Self::retire) does, and can be called again: for a revision that may
    /// have to come back.
    pub fn cut_off(&self) {
        std::mem::take(&mut *self.retired.lock()).cancel();
    }

    /// Waits until the streams that were there when it was called are to be aborted.
    pub(crate) fn retired(&self) -> impl Future<Output = ()> + use<> {
        self.retired.lock().clone().cancelled_owned()
    }
}

/// The end of a call whose answer is complete, or which failed.
fn answered(stats: &CallStats, report: Report, answer: &mut Result<Response<CallBody>, Failure>) {
    match answer {
        Ok(response) => report.end(Ok(response.status().as_u16())),
        Err(failure) => {
            let revision = report.revision();
            blame_the_client(failure, stats, revision.limits());
            if failure.kind.is_plugins_fault() {
                failure.function.get_or_insert_with(|| revision.export(Role::Http).to_owned());
            }
            report.end(Err(failure));
        }
    }
}

/// The head of an answer is there: what goes on is driven to its end by a task.
fn goes_on(stats: &Arc<CallStats>, report: Report, unfinished: Unfinished, status: StatusCode) {
    let (home, stats) = (report.revision().home().clone(), Arc::clone(stats));
    home.handle().spawn(async move {
        let outcome = caught(&stats, pin!(unfinished.drive(report.revision(), &stats))).await;
        report.end(outcome.as_ref().map(|()| status.as_u16()));
    });
}

/// A call that ends before it begins.
fn refused(stats: Arc<CallStats>, report: Report, failure: Failure) -> Handling {
    let its_stats = Arc::clone(&stats);
    let call = Box::pin(async move {
        let mut answer = Err(failure);
        answered(&stats, report, &mut answer);
        answer
    });
    Handling::new(call, its_stats)
}

/// A guest that stumbled over a request body that is too large is not to blame for it.
fn blame_the_client(failure: &mut Failure, stats: &CallStats, limits: &Limits) {
    if stats.request_too_large() && failure.kind != FailureKind::RequestTooLarge {
        *failure = too_large(limits.request_body);
    }
}

/// A future on the heap that is made there. `Box::pin` makes one on the stack and copies all of it, also what it has yet to fill.
pub(crate) fn boxed<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    let place = Box::new_uninit();
    Box::into_pin(Box::write(place, make()))
}
