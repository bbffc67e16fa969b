//! Calls that are no HTTP requests: all of them go the same way, and differ in what they ask of the guest.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use skep_types::{Call, Failure, FailureKind, Phase};
use wasmtime::Store;

use crate::admission::Admission;
use crate::fair::Fair;
use crate::instance::Running;
use crate::linked::{Guest, Role};
use crate::report::Report;
use crate::revision::Revision;
use crate::state::CallState;
use crate::stats::CallStats;
use crate::unwind::caught;

/// What the success of a call is counted as that has no HTTP answer.
pub(crate) const DONE: u16 = 204;

/// One question to a guest.
pub(crate) trait Errand: Send {
    /// What the guest answers.
    type Answer: Send;
    /// The handler that is asked.
    const ROLE: Role;

    /// How many tasks wait for it, each for the next one.
    fn level(&self) -> usize {
        0
    }

    /// What copying the question into the guest costs, in fuel: a unit for each byte.
    fn charge(&self) -> usize;

    /// Asks. `None` if this is not an instance of the handler.
    fn ask(
        &self,
        store: &mut Store<CallState>,
        guest: &Guest,
    ) -> impl Future<Output = Option<wasmtime::Result<Self::Answer>>> + Send;
}

impl Revision {
    /// Runs an errand in a fresh instance, under the plugin's limits and within `deadline`. Dropping the future cancels
    /// the guest. The end of the call is reported once, whatever it is.
    ///
    /// `read` makes of the answer what the host needs, or says what is wrong with it.
    pub(crate) async fn run_errand<E: Errand, T>(
        self: &Arc<Self>,
        call: Call,
        deadline: Duration,
        errand: E,
        read: impl FnOnce(E::Answer) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let stats = self.stats_within(call, None, deadline);
        let report = Report::new(Arc::clone(self), Arc::clone(&stats));
        let timer = tokio::time::Instant::from_std(stats.deadline);
        // The work ends in here, so that what it cost is known to the report.
        let ended = {
            let work = pin!(run(self, &stats, &errand));
            let ended = tokio::time::timeout_at(timer, caught(&stats, work)).await;
            ended.unwrap_or_else(|_| Err(self.too_late(&stats, E::ROLE)))
        };
        let ended = ended.and_then(read).map_err(|mut failure| {
            if failure.kind.is_plugins_fault() {
                failure.function.get_or_insert_with(|| self.export(E::ROLE).to_owned());
            }
            failure
        });
        report.end(ended.as_ref().map(|_| DONE));
        ended
    }

    /// The door that a handler's calls go through. What works beside the requests has one of its own, so that a request
    /// that waits for its tasks does not wait for its own place.
    fn door<E: Errand>(&self, errand: &E) -> Result<&Arc<Admission>, Failure> {
        Ok(match E::ROLE {
            Role::Http | Role::EventStream | Role::Process | Role::Socket | Role::Warmer => self.admission(),
            Role::Channel | Role::WebSocket => &self.doors().channels,
            Role::Subscriber => &self.doors().subscribers,
            Role::Job => &self.doors().jobs,
            Role::Task => {
                let deep = || Failure::new(FailureKind::Overloaded, Phase::Queue, "too many tasks wait for each other");
                self.doors().tasks.get(errand.level()).ok_or_else(deep)?
            }
        })
    }
}

async fn run<E: Errand>(revision: &Arc<Revision>, stats: &Arc<CallStats>, errand: &E) -> Result<E::Answer, Failure> {
    stats.enter(Phase::Queue);
    let door = revision.door(errand)?;
    let admitted = door.enter().await?;
    let work = async {
        let mut running = Running::start(revision, stats, errand.charge(), E::ROLE).await?;
        let answer = match running.parts() {
            Some((store, guest)) => errand.ask(store, guest).await,
            None => None,
        };
        let answer = answer.unwrap_or_else(|| Err(wasmtime::format_err!("not an instance of this handler")));
        answer.map_err(|error| running.failed(&error))
    };
    let answer = Fair::new(pin!(work), &**revision.fair(), revision.party(), &**stats).await;
    door.leave(admitted);
    answer
}
