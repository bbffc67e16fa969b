//! `skep:plugin/process`: the guest's side of the processes in `skep-process`.

use std::time::Duration;

use bytes::Bytes;
use skep_bindings::process::{self, Failure, Listed, Page, Spec, StartFailure, Started};
use skep_bindings::store::Op;
use skep_bindings::types::{self, Error};
use skep_manifest::{ProcessAccess, ProcessSelector};
use skep_process::{CallRef, MonitorRef, Persistence, Pid, Processes, Reason, Staged, Target, TimerId};
use skep_types::{PluginName, TopicSelector};

use super::topics::Direction;
use crate::state::CallState;

/// The most operations and events that one message may leave to be committed.
const STAGED_MAX: usize = 1_000;

/// The processes of the host, and which of those of others a plugin may reach. Its own are always granted.
#[derive(Clone)]
pub struct ProcessGrants {
    /// All of them.
    pub processes: Processes,
    /// Those of other plugins, and what it may do with them.
    pub others: Vec<(ProcessSelector, ProcessAccess)>,
}

/// What a guest wants of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To know of it.
    Monitor,
    /// To send it something.
    Call,
    /// To end it, or to end with it.
    Stop,
}

impl Wanted {
    fn is_in(self, access: ProcessAccess) -> bool {
        match self {
            Self::Monitor => true,
            Self::Call => access.calls(),
            Self::Stop => access.stops(),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Call => "call",
            Self::Stop => "all",
        }
    }
}

/// The process whose call a store is in, and what the call leaves to be committed.
pub(crate) struct Turning {
    pub(crate) pid: Pid,
    pub(crate) persistence: Persistence,
    pub(crate) staged: Staged,
    pub(crate) events: Vec<Bytes>,
    operations: usize,
}

impl Turning {
    pub(crate) fn new(pid: Pid, persistence: Persistence) -> Self {
        Self { pid, persistence, staged: Staged::default(), events: Vec::new(), operations: 0 }
    }

    pub(crate) fn staged_something(&self) -> bool {
        let Staged { checks, writes, jobs, messages } = &self.staged;
        !(checks.is_empty() && writes.is_empty() && jobs.is_empty() && messages.is_empty())
    }

    fn reserve(&mut self, operations: usize) -> Result<(), Error> {
        self.operations = self.operations.saturating_add(operations);
        if self.operations > STAGED_MAX { Err(Error::TooLarge(STAGED_MAX as u64)) } else { Ok(()) }
    }
}

impl CallState {
    fn processes(&self) -> Result<&ProcessGrants, Error> {
        self.env.processes.as_ref().ok_or_else(|| Error::Unavailable("this host has no processes".to_owned()))
    }

    /// The process that calls, if one does.
    fn me(&self) -> Option<&Pid> {
        self.process.as_ref().map(|turning| &turning.pid)
    }

    fn this(&self) -> Result<&Pid, Error> {
        self.me().ok_or_else(|| Error::Invalid("only a process may do this, in one of its own calls".to_owned()))
    }

    fn turning(&mut self) -> Result<&mut Turning, Error> {
        let outside = || Error::Invalid("only a process may do this, in one of its own calls".to_owned());
        self.process.as_deref_mut().ok_or_else(outside)
    }

    /// Which process a guest means, if it may do this with it.
    pub(super) fn target(&self, target: types::Target, wanted: Wanted) -> Result<Target, Error> {
        let target = match target {
            types::Target::Pid(text) => {
                self.stats.owe(text.len());
                Target::Pid(text.parse().map_err(skep_process::Error::from).map_err(refused)?)
            }
            types::Target::Name(named) => {
                self.stats.owe(named.name.len());
                skep_process::check_name(&named.name).map_err(skep_process::Error::from).map_err(refused)?;
                let plugin = match named.plugin {
                    Some(plugin) => PluginName::new(&plugin).map_err(|error| Error::Invalid(error.to_string()))?,
                    None => self.stats.plugin().clone(),
                };
                Target::Name { plugin, name: named.name }
            }
        };
        self.allowed(&target, wanted)?;
        Ok(target)
    }

    fn allowed(&self, target: &Target, wanted: Wanted) -> Result<(), Error> {
        let owner = target.plugin();
        if owner == self.stats.plugin() {
            return Ok(());
        }
        let (name, shown) = match target {
            // A pid says nothing of a name, so another plugin's needs a grant for all of them.
            Target::Pid(_) => (None, "*"),
            Target::Name { name, .. } => (Some(name.as_str()), name.as_str()),
        };
        let fits = |(selector, access): &&(ProcessSelector, ProcessAccess)| {
            selector.owner == *owner && selector.matches(name) && wanted.is_in(*access)
        };
        if self.processes()?.others.iter().find(fits).is_some() {
            return Ok(());
        }
        Err(Error::Denied(format!(
            "this is not granted of processes of `{owner}`; write `processes = {{ \"{owner}/{shown}\" = \"{}\" }}` in the plugin's \
             grants",
            wanted.word()
        )))
    }

    fn message(&self, message: Vec<u8>) -> Bytes {
        self.stats.owe(message.len());
        message.into()
    }

    fn process_spec(&self, what: Spec) -> skep_process::Spec {
        self.stats.owe(what.kind.len() + what.name.as_ref().map_or(0, String::len) + what.args.len());
        skep_process::Spec { kind: what.kind, name: what.name, args: what.args.into(), supervised: false }
    }

    /// What a guest may hear of: the owner's topics are named with their owner, so that they mean the same to everybody.
    fn heard(&self, topic: &str) -> Result<String, Error> {
        self.stats.owe(topic.len());
        let plugin = self.stats.plugin();
        let wanted = TopicSelector::of(plugin, topic).map_err(|error| Error::Invalid(error.to_string()))?;
        self.env.topics.check(plugin, &wanted, Direction::Subscribe).map_err(Error::Denied)?;
        Ok(wanted.to_string())
    }

    /// Makes the process that calls an owner of presences, for as long as it lives.
    pub(super) fn own_presences(&self, owner: &str) {
        let Some(me) = self.me().filter(|me| me.to_string() == owner) else { return };
        let Some(grants) = &self.env.processes else { return };
        // It is one already, or the track that follows says what is wrong.
        let Ok(held) = self.env.topics.presence.owner(owner) else { return };
        let (processes, me) = (grants.processes.clone(), Target::Pid(me.clone()));
        tokio::spawn(async move {
            processes.ended(&me).await;
            drop(held);
        });
    }
}

impl process::Host for CallState {
    async fn start(&mut self, what: Spec) -> Result<Started, StartFailure> {
        let (processes, spec) =
            (self.processes().map_err(StartFailure::Other)?.processes.clone(), self.process_spec(what));
        let started = processes.start(self.stats.plugin(), spec).await;
        started.map(|started| to_guest(&started)).map_err(not_started)
    }

    async fn start_or_get(&mut self, what: Spec) -> Result<Started, StartFailure> {
        let (processes, spec) =
            (self.processes().map_err(StartFailure::Other)?.processes.clone(), self.process_spec(what));
        let started = processes.start_or_get(self.stats.plugin(), spec).await;
        started.map(|started| to_guest(&started)).map_err(not_started)
    }

    async fn whereis(&mut self, plugin: Option<String>, name: String) -> Result<Option<String>, Error> {
        let named = types::ProcessName { plugin, name };
        let Target::Name { plugin, name } = self.target(types::Target::Name(named), Wanted::Monitor)? else {
            return Ok(None);
        };
        let processes = self.processes()?.processes.clone();
        let pid = processes.whereis(&plugin, &name).await.map_err(refused)?;
        Ok(pid.map(|pid| pid.to_string()))
    }

    async fn list(&mut self, prefix: String, cursor: Option<String>, limit: u32) -> Result<Page, Error> {
        self.stats.owe(prefix.len());
        let processes = self.processes()?.processes.clone();
        let listed = processes.list(self.stats.plugin(), &prefix, cursor.as_deref(), limit as usize).await;
        let page = listed.map_err(refused)?;
        let entry = |listed: skep_process::Listed| Listed {
            name: listed.name.to_string(),
            kind: listed.pid.kind.to_string(),
            pid: listed.pid.to_string(),
        };
        let processes: Vec<_> = page.processes.into_iter().map(entry).collect();
        self.stats.owe(processes.iter().map(|one| one.name.len() + one.kind.len() + one.pid.len()).sum());
        Ok(Page { processes, cursor: page.cursor })
    }

    async fn call(&mut self, to: types::Target, message: Vec<u8>, timeout: Option<u64>) -> Result<Vec<u8>, Failure> {
        let to = self.target(to, Wanted::Call).map_err(Failure::Other)?;
        let message = self.message(message);
        let processes = self.processes().map_err(Failure::Other)?.processes.clone();
        let timeout = timeout.map(Duration::from_millis);
        let answer = processes.call(self.me(), &to, message, timeout).await.map_err(failed)?;
        self.stats.owe(answer.len());
        Ok(answer.into())
    }

    async fn cast(&mut self, to: types::Target, message: Vec<u8>) -> Result<(), Failure> {
        let to = self.target(to, Wanted::Call).map_err(Failure::Other)?;
        let message = self.message(message);
        let processes = self.processes().map_err(Failure::Other)?.processes.clone();
        processes.cast(&to, message).await.map_err(failed)
    }

    async fn send(&mut self, to: types::Target, message: Vec<u8>) -> Result<(), Failure> {
        let to = self.target(to, Wanted::Call).map_err(Failure::Other)?;
        let message = self.message(message);
        let processes = self.processes().map_err(Failure::Other)?.processes.clone();
        processes.send(&to, message).await.map_err(failed)
    }

    async fn stop(&mut self, to: types::Target, reason: String, timeout: Option<u64>) -> Result<(), Failure> {
        let to = self.target(to, Wanted::Stop).map_err(Failure::Other)?;
        self.stats.owe(reason.len());
        let processes = self.processes().map_err(Failure::Other)?.processes.clone();
        processes.stop(&to, Reason::new(&reason), timeout.map(Duration::from_millis)).await.map_err(failed)
    }

    fn self_(&mut self) -> Result<String, Error> {
        let me = self.this()?.to_string();
        self.stats.owe(me.len());
        Ok(me)
    }

    fn send_after(&mut self, message: Vec<u8>, delay: u64) -> Result<u64, Error> {
        let message = self.message(message);
        let timer = self.processes()?.processes.send_after(self.this()?, message, Duration::from_millis(delay));
        timer.map(|timer| timer.0).map_err(refused)
    }

    fn send_every(&mut self, message: Vec<u8>, interval: u64) -> Result<u64, Error> {
        let message = self.message(message);
        let timer = self.processes()?.processes.send_every(self.this()?, message, Duration::from_millis(interval));
        timer.map(|timer| timer.0).map_err(refused)
    }

    fn cancel_timer(&mut self, timer: u64) -> Result<bool, Error> {
        self.processes()?.processes.cancel_timer(self.this()?, TimerId(timer)).map_err(refused)
    }

    async fn monitor(&mut self, to: types::Target) -> Result<u64, Error> {
        let (me, to) = (self.this()?.clone(), self.target(to, Wanted::Monitor)?);
        let processes = self.processes()?.processes.clone();
        processes.monitor(&me, &to).await.map(|monitor| monitor.0).map_err(refused)
    }

    fn demonitor(&mut self, monitor: u64) -> Result<(), Error> {
        self.processes()?.processes.demonitor(self.this()?, MonitorRef(monitor)).map_err(refused)
    }

    async fn link(&mut self, to: types::Target) -> Result<(), Error> {
        let (me, to) = (self.this()?.clone(), self.target(to, Wanted::Stop)?);
        let processes = self.processes()?.processes.clone();
        processes.link(&me, &to).await.map_err(refused)
    }

    async fn unlink(&mut self, to: types::Target) -> Result<(), Error> {
        let (me, to) = (self.this()?.clone(), self.target(to, Wanted::Stop)?);
        let processes = self.processes()?.processes.clone();
        processes.unlink(&me, &to).await.map_err(refused)
    }

    fn trap_exits(&mut self, trap: bool) -> Result<(), Error> {
        self.processes()?.processes.trap_exits(self.this()?, trap).map_err(refused)
    }

    fn subscribe(&mut self, topic: String) -> Result<(), Error> {
        let topic = self.heard(&topic)?;
        self.processes()?.processes.subscribe(self.this()?, &topic).map_err(refused)
    }

    fn unsubscribe(&mut self, topic: String) -> Result<(), Error> {
        let topic = self.heard(&topic)?;
        self.processes()?.processes.unsubscribe(self.this()?, &topic).map_err(refused)
    }

    fn reply(&mut self, to: u64, answer: Result<Vec<u8>, String>) -> Result<(), Error> {
        let answer = answer.map(|value| self.message(value));
        self.processes()?.processes.reply(self.this()?, CallRef(to), answer).map_err(refused)
    }

    fn stage(&mut self, ops: Vec<Op>) -> Result<(), Error> {
        if !self.turning()?.persistence.commits() {
            return Err(Error::Invalid(
                "nothing is committed after a message of this process: stage needs the persistence `durable` or `event-log`"
                    .to_owned(),
            ));
        }
        let operations = ops.len();
        let (mut commit, _) = self.commit_of(ops)?;
        let turning = self.turning()?;
        turning.reserve(operations)?;
        turning.staged.checks.append(&mut commit.checks);
        turning.staged.writes.append(&mut commit.writes);
        turning.staged.jobs.append(&mut commit.jobs);
        turning.staged.messages.append(&mut commit.messages);
        Ok(())
    }

    fn append(&mut self, events: Vec<Vec<u8>>) -> Result<(), Error> {
        for event in &events {
            self.value(event.len())?;
        }
        let turning = self.turning()?;
        if !matches!(turning.persistence, Persistence::EventLog { .. }) {
            return Err(Error::Invalid("append needs the persistence `event-log`".to_owned()));
        }
        turning.reserve(events.len())?;
        turning.events.extend(events.into_iter().map(Bytes::from));
        Ok(())
    }
}

fn to_guest(started: &skep_process::Started) -> Started {
    Started { pid: started.pid.to_string(), was_there: started.was_there }
}

/// What a guest is told of the engine's word.
fn refused(error: skep_process::Error) -> Error {
    match error {
        skep_process::Error::Invalid(why) => Error::Invalid(why),
        skep_process::Error::TooLarge(limit) => Error::TooLarge(limit),
        skep_process::Error::Full(_) => Error::Full,
        skep_process::Error::NotFound => Error::NotFound,
        skep_process::Error::Conflict => Error::Conflict,
        skep_process::Error::OutcomeUnknown => Error::OutcomeUnknown,
        other => Error::Unavailable(other.to_string()),
    }
}

fn failed(failure: skep_process::Failure) -> Failure {
    match failure {
        skep_process::Failure::NotFound => Failure::NotFound,
        skep_process::Failure::Timeout(why) => Failure::Timeout(why),
        skep_process::Failure::Crashed(reason) => Failure::Crashed(reason.to_string()),
        skep_process::Failure::Failed(why) => Failure::Failed(why),
        skep_process::Failure::Full => Failure::Full,
        skep_process::Failure::Conflict => Failure::Conflict,
        skep_process::Failure::Other(error) => Failure::Other(refused(error)),
    }
}

fn not_started(failure: skep_process::StartFailure) -> StartFailure {
    match failure {
        skep_process::StartFailure::NameTaken(pid) => StartFailure::NameTaken(pid.to_string()),
        skep_process::StartFailure::Failed(why) => StartFailure::Failed(why),
        skep_process::StartFailure::Crashed(reason) => StartFailure::Crashed(reason.to_string()),
        skep_process::StartFailure::Other(error) => StartFailure::Other(refused(error)),
    }
}
