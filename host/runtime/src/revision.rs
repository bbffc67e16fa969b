//! A revision: one component with its settings, compiled, linked and ready to be called.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http::{Request, Response};
use skep_bindings::{Http, HttpPre, Warmers, WarmersPre};
use skep_types::{
    Call, Clock as _, Failure, FailureKind, Instances, Limits, Phase, PluginName, RevisionId, SharedObserver,
    SystemClock,
};
use tokio_util::sync::CancellationToken;
use wasmtime::{Engine, Store};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
#[cfg(feature = "p3")]
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

use crate::admission::Admission;
use crate::body::{CallBody, RequestBody, now, too_large};
use crate::drive;
use crate::engine::EngineKind;
use crate::fair::{FairShare, Party};
use crate::inspect::HandlerKind;
use crate::instance::{Running, Warm};
use crate::report::Report;
use crate::state::{CallState, GuestEnv};
use crate::stats::CallStats;

/// Revisions that are in memory, whether they serve, drain or wait for a rollback. A test of leaks reads it.
static LIVE: AtomicI64 = AtomicI64::new(0);

/// A component linked against its engine's imports.
pub(crate) enum Linked {
    Fast(HttpPre<CallState>),
    Wasi02(ProxyPre<CallState>),
    #[cfg(feature = "p3")]
    Wasi03(ServicePre<CallState>),
}

/// A live guest.
pub(crate) enum Guest {
    Fast(Http),
    Wasi02(Proxy),
    #[cfg(feature = "p3")]
    Wasi03(Service),
    Warmers(Warmers),
}

/// Which of its handlers a component is instantiated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Http,
    Warmer,
}

/// Everything that a revision is made of.
pub(crate) struct Parts {
    pub(crate) id: RevisionId,
    pub(crate) name: PluginName,
    pub(crate) kind: HandlerKind,
    pub(crate) engine_kind: EngineKind,
    pub(crate) engine: Engine,
    pub(crate) linked: Linked,
    pub(crate) warmers: Option<WarmersPre<CallState>>,
    pub(crate) limits: Limits,
    pub(crate) instances: Instances,
    pub(crate) env: Arc<GuestEnv>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) fair: Arc<FairShare>,
    pub(crate) party: Party,
    pub(crate) warm: Warm,
    pub(crate) observer: SharedObserver,
}

/// One immutable version of a plugin. Calls hold it; the last one to end lets it go.
pub struct Revision {
    parts: Parts,
    retired: CancellationToken,
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
        Self { parts, retired: CancellationToken::new(), _live: LiveCount::new() }
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

    /// How it answers HTTP requests.
    #[must_use]
    pub fn kind(&self) -> HandlerKind {
        self.parts.kind
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
        self.parts.admission.running()
    }

    /// Calls that wait for an instance now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.parts.admission.waiting()
    }

    pub(crate) fn export(&self) -> &'static str {
        self.parts.kind.export()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.parts.engine
    }

    pub(crate) fn env(&self) -> &Arc<GuestEnv> {
        &self.parts.env
    }

    pub(crate) fn admission(&self) -> &Arc<Admission> {
        &self.parts.admission
    }

    pub(crate) fn fair(&self) -> &Arc<FairShare> {
        &self.parts.fair
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
            HandlerKind::Fast => {
                limits.response_body.0.saturating_add(limits.response_headers.0 * 4).saturating_add(64 << 10)
            }
            HandlerKind::Wasi02 | HandlerKind::Wasi03 => 0,
        };
        limits.host_memory.as_usize().max(usize::try_from(answer).unwrap_or(usize::MAX))
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<CallState>, role: Role) -> wasmtime::Result<Guest> {
        if role == Role::Warmer {
            let Some(pre) = &self.parts.warmers else { wasmtime::bail!("the revision has no warmers") };
            return Ok(Guest::Warmers(pre.instantiate_async(store).await?));
        }
        Ok(match &self.parts.linked {
            Linked::Fast(pre) => Guest::Fast(pre.instantiate_async(store).await?),
            Linked::Wasi02(pre) => Guest::Wasi02(pre.instantiate_async(store).await?),
            #[cfg(feature = "p3")]
            Linked::Wasi03(pre) => Guest::Wasi03(pre.instantiate_async(store).await?),
        })
    }

    /// Answers a request.
    ///
    /// The answer's head comes within the deadline or not at all; its body may go on under `stream_idle`. Dropping the
    /// future, or the body, cancels the guest. The end of the call is reported once, whatever it is.
    ///
    /// # Errors
    /// Every way for the call to end without an answer; see [`FailureKind`].
    pub async fn handle(
        self: &Arc<Self>,
        call: Call,
        request: Request<RequestBody>,
    ) -> Result<Response<CallBody>, Failure> {
        let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        let stats = self.stats(call, traceparent);
        let report = Report::new(Arc::clone(self), Arc::clone(&stats));
        let limit = self.limits().request_body;
        let result = if http_body::Body::size_hint(request.body()).lower() > limit.0 {
            Err(too_large(limit))
        } else {
            self.within_deadline(&stats, request).await
        };
        match result {
            Ok(drive::wasi::Answer { response, unfinished: None }) => {
                report.end(Ok(response.status().as_u16()));
                Ok(response)
            }
            Ok(drive::wasi::Answer { response, unfinished: Some(unfinished) }) => {
                let status = response.status().as_u16();
                let revision = Arc::clone(self);
                tokio::spawn(async move {
                    let outcome = unfinished.drive(&revision, &stats).await;
                    report.end(outcome.as_ref().map(|()| status));
                });
                Ok(response)
            }
            Err(failure) => {
                let mut failure = blame_the_client(failure, &stats, self.limits());
                if failure.kind.is_plugins_fault() {
                    failure.function.get_or_insert_with(|| self.export().to_owned());
                }
                report.end(Err(&failure));
                Err(failure)
            }
        }
    }

    async fn within_deadline(
        self: &Arc<Self>,
        stats: &Arc<CallStats>,
        request: Request<RequestBody>,
    ) -> Result<drive::wasi::Answer, Failure> {
        let work = async {
            match self.parts.kind {
                HandlerKind::Fast => {
                    let response = drive::fast::call(self, stats, request).await?;
                    Ok(drive::wasi::Answer { response, unfinished: None })
                }
                HandlerKind::Wasi02 | HandlerKind::Wasi03 => drive::wasi::call(self, stats, request).await,
            }
        };
        let deadline = tokio::time::Instant::from_std(stats.deadline);
        // The timer is outside of the guest's future and drops it: fuel does not run while a guest waits.
        // It is pinned here, because a guest's future is large and a timer that owned it would move it twice.
        tokio::time::timeout_at(deadline, pin!(work)).await.unwrap_or_else(|_| Err(self.too_late(stats)))
    }

    pub(crate) fn too_late(&self, stats: &CallStats) -> Failure {
        let limits = self.limits();
        let (phase, deadline) = (stats.phase(), limits.deadline);
        match phase {
            Phase::Receive => {
                let detail = format!("the request did not arrive within {deadline:?}");
                Failure::new(FailureKind::RequestTimeout, phase, detail)
            }
            Phase::Queue => {
                let detail = format!("{} instances were busy for {deadline:?}", limits.concurrency);
                Failure::new(FailureKind::Overloaded, phase, detail).retry_after(std::time::Duration::from_secs(1))
            }
            Phase::Instantiate | Phase::Handle | Phase::Stream => {
                Failure::new(FailureKind::Deadline, phase, format!("no answer within {deadline:?}"))
                    .in_function(self.export())
            }
        }
    }

    pub(crate) fn stats(&self, call: Call, traceparent: Option<&str>) -> Arc<CallStats> {
        let (started, deadline) = (now(), self.limits().deadline);
        let traceparent = traceparent.filter(|value| value.len() == 55).map(str::to_owned);
        let times = (started, started + deadline, SystemClock.wall() + deadline);
        Arc::new(CallStats::new(self.plugin().clone(), call, times, self.limits().log.0, traceparent))
    }

    /// Instantiates the component once, under its limits, so that a component that cannot start is never routed to.
    ///
    /// # Errors
    /// What happened instead.
    pub async fn try_out(self: &Arc<Self>, call: Call) -> Result<(), Failure> {
        let stats = self.stats(call, None);
        let start = async { Running::start(self, &stats, 0, Role::Http).await.map(drop) };
        let deadline = self.limits().deadline;
        match tokio::time::timeout(deadline, start).await {
            Ok(started) => started,
            Err(_) => Err(self.too_late(&stats)),
        }
    }

    /// Ends what is left of this revision: streams that go on are aborted, idle instances are dropped.
    pub fn retire(&self) {
        self.retired.cancel();
        self.parts.warm.close();
    }

    pub(crate) async fn retired(&self) {
        self.retired.cancelled().await;
    }
}

/// A guest that stumbled over a request body that is too large is not to blame for it.
fn blame_the_client(failure: Failure, stats: &CallStats, limits: &Limits) -> Failure {
    if stats.request_too_large() && failure.kind != FailureKind::RequestTooLarge {
        return too_large(limits.request_body);
    }
    failure
}
