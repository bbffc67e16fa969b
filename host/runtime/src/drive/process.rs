//! `skep:plugin/process-handler`: instances that live longer than a call, one for each process that is awake.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skep_bindings::process_handler::{self, Definition};
use skep_process::{
    Begun, Behaviour, Birth, Crash, Event, Fault, Identity, Instance, Next, Persistence, Pid, Reason, Saved, Turn,
    Working,
};
use skep_types::{Call, Failure, FailureKind, Phase, RequestId};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use crate::capability::process::Turning;
use crate::capability::topics::as_written_by;
use crate::declared::ProcessDefinition;
use crate::drive::errand::{DONE, Errand};
use crate::fair::Fair;
use crate::instance::{Live, Running};
use crate::linked::{Guest, Role};
use crate::report::Report;
use crate::revision::Revision;
use crate::state::CallState;
use crate::unwind::caught;
use crate::warm::prepare;

/// What the processes of one kind do, by one revision of their plugin, which they keep in memory.
pub struct WasmBehaviour {
    kind: Kind,
    definition: ProcessDefinition,
}

/// What all instances of a kind share.
#[derive(Clone)]
struct Kind {
    revision: Arc<Revision>,
    persistence: Persistence,
    deadline: Duration,
    fuel: u64,
}

impl WasmBehaviour {
    /// The behaviour of a kind that the component declares. A message may take as long as `deadline`, and as much as `fuel`.
    #[must_use]
    pub const fn new(
        revision: Arc<Revision>,
        definition: ProcessDefinition,
        persistence: Persistence,
        deadline: Duration,
        fuel: u64,
    ) -> Self {
        Self { kind: Kind { revision, persistence, deadline, fuel }, definition }
    }
}

impl Behaviour for WasmBehaviour {
    fn version(&self) -> u32 {
        self.definition.version
    }

    fn saves(&self) -> bool {
        self.definition.saves
    }

    fn replays(&self) -> bool {
        self.definition.replays
    }

    fn init(&self, birth: Birth) -> Working<'_, Begun> {
        Box::pin(async move {
            let mut instance = WasmInstance::new(self.kind.clone(), birth.me.pid.clone())?;
            let (said, turning) = instance.ask(Init { me: &birth.me, args: &birth.args }).await?;
            let next = said.map_err(|why| Crash::new(Fault::Returned, &why))?;
            let turn = turn(next, turning);
            Ok(Begun { instance: Box::new(instance), turn })
        })
    }

    fn load(&self, me: Identity, saved: Saved) -> Working<'_, Box<dyn Instance>> {
        Box::pin(async move {
            let mut instance = WasmInstance::new(self.kind.clone(), me.pid.clone())?;
            let said = instance.ask(Load { me: &me, saved: &saved }).await?;
            said.map_err(|why| Crash::new(Fault::Returned, &why))?;
            Ok(Box::new(instance) as Box<dyn Instance>)
        })
    }
}

/// A live instance that is a process.
struct WasmInstance {
    kind: Kind,
    pid: Pid,
    /// None before its first call, unless it was another process's, and after one that did not end well.
    live: Option<Live>,
    begun: bool,
    /// Its place among the instances that the host has for processes.
    place: OwnedSemaphorePermit,
}

impl WasmInstance {
    fn new(kind: Kind, pid: Pid) -> Result<Self, Crash> {
        let (place, live) = kind.revision.warm().place().ok_or_else(|| {
            Crash::new(Fault::Host, "no instance is free: `host.processes.live` is less than what lives")
        })?;
        Ok(Self { kind, pid, live, begun: false, place })
    }

    /// One call of the instance, with limits of its own. Whatever ends it but success ends the instance.
    async fn ask<E: Errand>(&mut self, errand: E) -> Result<E::Answer, Crash> {
        let gone = || Crash::new(Fault::Host, "the instance is gone");
        let revision = &self.kind.revision;
        let live = match self.live.take() {
            None if self.begun => return Err(gone()),
            None => revision.warm().take_ready(),
            live => live,
        };
        let first = !std::mem::replace(&mut self.begun, true);
        let stats = revision.stats_within(call(), None, self.kind.deadline);
        let report = Report::new(Arc::clone(revision), Arc::clone(&stats)).or_gone("the process was cut off");
        let timer = tokio::time::Instant::from_std(stats.deadline);
        let turning = || Box::new(Turning::new(self.pid.clone(), self.kind.persistence));
        // The work ends in here, so that what it cost is known to the report.
        let ended = {
            let work = pin!(async {
                let mut running = match live {
                    Some(live) => Running::again(live, revision, &stats, self.kind.fuel, errand.charge(), E::ROLE)?,
                    None => Running::start_with(revision, &stats, self.kind.fuel, errand.charge(), E::ROLE).await?,
                };
                let answer = match running.parts() {
                    Some((store, guest)) => {
                        store.data_mut().process = Some(turning());
                        errand.ask(store, guest).await
                    }
                    None => None,
                };
                let answer = answer.unwrap_or_else(|| Err(wasmtime::format_err!("not an instance of this handler")));
                let answer = answer.map_err(|error| running.failed(&error))?;
                Ok((answer, running.keep()))
            });
            let work = pin!(Fair::new(work, Arc::clone(revision.fair()), revision.party(), Arc::clone(&stats)));
            let ended = tokio::time::timeout_at(timer, caught(&stats, work)).await;
            ended.unwrap_or_else(|_| Err(revision.too_late(&stats, E::ROLE)))
        };
        match ended {
            Ok((answer, live)) => {
                self.live = live;
                report.end(Ok(DONE));
                if first {
                    prepare(revision, call, E::ROLE);
                }
                Ok(answer)
            }
            Err(mut failure) => {
                if failure.kind.is_plugins_fault() {
                    failure.function.get_or_insert_with(|| revision.export(E::ROLE).to_owned());
                }
                report.end(Err(&failure));
                Err(crash(&failure))
            }
        }
    }
}

impl Instance for WasmInstance {
    fn handle(&mut self, event: Event) -> Working<'_, Turn> {
        Box::pin(async move {
            let (next, turning) = self.ask(Handle { event: &event }).await?;
            Ok(turn(next, turning))
        })
    }

    fn save(&mut self) -> Working<'_, Bytes> {
        Box::pin(async move {
            let said = self.ask(Save).await?;
            said.map(Bytes::from).map_err(|why| Crash::new(Fault::Returned, &why))
        })
    }

    fn replay(&mut self, events: Vec<Bytes>) -> Working<'_, ()> {
        Box::pin(async move {
            let said = self.ask(Replay { events: &events }).await?;
            said.map_err(|why| Crash::new(Fault::Returned, &why))
        })
    }

    fn terminate(&mut self, reason: Reason) -> Working<'_, ()> {
        Box::pin(async move { self.ask(Terminate { reason: &reason }).await })
    }

    fn rest(self: Box<Self>) {
        let Self { kind, live, place, .. } = *self;
        if let Some(live) = live {
            kind.revision.warm().rest(live, place, kind.revision.instances().uses_max());
        }
    }

    fn memory(&self) -> u64 {
        self.live.as_ref().map_or(0, |live| live.store.data().memory.used() as u64)
    }
}

/// A call that no client waits for.
fn call() -> Call {
    Call {
        id: RequestId::from_bits(fastrand::u64(..)),
        client: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        secure: false,
        captures: Vec::new(),
        hops: 0,
    }
}

fn crash(failure: &Failure) -> Crash {
    let fault = match failure.kind {
        FailureKind::FuelExhausted => Fault::Fuel,
        FailureKind::Deadline => Fault::Deadline,
        FailureKind::MemoryExhausted | FailureKind::HostMemory => Fault::Memory,
        FailureKind::Overloaded | FailureKind::NotRunning | FailureKind::Retired => Fault::Host,
        FailureKind::Internal if failure.phase == Phase::Instantiate => Fault::Host,
        FailureKind::Internal => Fault::Panicked,
        _ => Fault::Trap,
    };
    Crash::new(fault, &failure.to_string())
}

fn turn(next: process_handler::Next, turning: Option<Box<Turning>>) -> Turn {
    let next = match next {
        process_handler::Next::Noreply => Next::NoReply,
        process_handler::Next::Reply(answer) => Next::Reply(answer.map(Bytes::from)),
        process_handler::Next::Stop(stopping) => {
            let reply = stopping.reply.map(|answer| answer.map(Bytes::from));
            Next::Stop { reason: Reason::new(&stopping.reason), reply }
        }
        process_handler::Next::Hibernate(answer) => Next::Hibernate(answer.map(|answer| answer.map(Bytes::from))),
    };
    let Some(turning) = turning else { return Turn::new(next) };
    let is_staged = turning.staged_something();
    let Turning { staged, events, .. } = *turning;
    Turn { next, staged: is_staged.then(|| Box::new(staged)), events }
}

struct Init<'a> {
    me: &'a Identity,
    args: &'a Bytes,
}

fn identity_bytes(me: &Identity) -> usize {
    me.pid.kind.len() + me.name.as_ref().map_or(0, |name| name.len()) + 48
}

type Said = Result<process_handler::Next, String>;

impl Errand for Init<'_> {
    type Answer = (Said, Option<Box<Turning>>);
    const ROLE: Role = Role::Process;

    fn charge(&self) -> usize {
        identity_bytes(self.me) + self.args.len()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Process(guest) = guest else { return None };
        let pid = self.me.pid.to_string();
        let me = process_handler::Identity { kind: &self.me.pid.kind, pid: &pid, name: self.me.name.as_deref() };
        let said = guest.skep_plugin_process_handler().call_init(&mut *store, me, self.args).await;
        Some(said.map(|said| (said, store.data_mut().process.take())))
    }
}

struct Load<'a> {
    me: &'a Identity,
    saved: &'a Saved,
}

impl Errand for Load<'_> {
    type Answer = Result<(), String>;
    const ROLE: Role = Role::Process;

    fn charge(&self) -> usize {
        identity_bytes(self.me) + self.saved.state.len()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Process(guest) = guest else { return None };
        let pid = self.me.pid.to_string();
        let me = process_handler::Identity { kind: &self.me.pid.kind, pid: &pid, name: self.me.name.as_deref() };
        let (version, state) = (self.saved.version, &self.saved.state);
        Some(guest.skep_plugin_process_handler().call_load(store, me, version, state).await)
    }
}

struct Replay<'a> {
    events: &'a [Bytes],
}

impl Errand for Replay<'_> {
    type Answer = Result<(), String>;
    const ROLE: Role = Role::Process;

    fn charge(&self) -> usize {
        self.events.iter().map(Bytes::len).sum()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Process(guest) = guest else { return None };
        let events: Vec<&[u8]> = self.events.iter().map(AsRef::as_ref).collect();
        Some(guest.skep_plugin_process_handler().call_replay(store, &events).await)
    }
}

struct Handle<'a> {
    event: &'a Event,
}

impl Errand for Handle<'_> {
    type Answer = (process_handler::Next, Option<Box<Turning>>);
    const ROLE: Role = Role::Process;

    fn charge(&self) -> usize {
        match self.event {
            Event::Call { message, .. }
            | Event::Timer { message, .. }
            | Event::Cast(message)
            | Event::Info(message) => message.len(),
            Event::Published(published) => published.topic.len() + published.data.len(),
            Event::Down { reason, .. } | Event::Exit { reason, .. } => reason.as_str().len() + 48,
        }
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Process(guest) = guest else { return None };
        let (topic, pid);
        let event = match self.event {
            Event::Call { from, message } => {
                process_handler::Event::Call(process_handler::Call { from: from.0, message })
            }
            Event::Cast(message) => process_handler::Event::Cast(message),
            Event::Info(message) => process_handler::Event::Info(message),
            Event::Timer { id, message } => process_handler::Event::Timer(process_handler::Timer { id: id.0, message }),
            Event::Published(published) => {
                topic = written(store.data(), &published.topic);
                process_handler::Event::Published(process_handler::Published {
                    topic: &topic,
                    id: published.id,
                    event: published.event.as_deref(),
                    data: &published.data,
                })
            }
            Event::Down { monitor, pid: of, reason } => {
                pid = of.to_string();
                let reason = reason.as_str();
                process_handler::Event::Down(process_handler::Down { ref_: monitor.0, pid: &pid, reason })
            }
            Event::Exit { pid: of, reason } => {
                pid = of.to_string();
                process_handler::Event::Exit(process_handler::Exit { pid: &pid, reason: reason.as_str() })
            }
        };
        let next = guest.skep_plugin_process_handler().call_handle(&mut *store, event).await;
        Some(next.map(|next| (next, store.data_mut().process.take())))
    }
}

/// A topic with its owner's name, as the plugin writes it.
fn written(state: &CallState, topic: &str) -> String {
    let plugin = state.stats.plugin();
    skep_types::TopicId::of(plugin, topic).map_or_else(|_| topic.to_owned(), |id| as_written_by(plugin, &id))
}

struct Save;

impl Errand for Save {
    type Answer = Result<Vec<u8>, String>;
    const ROLE: Role = Role::Process;

    fn charge(&self) -> usize {
        0
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Process(guest) = guest else { return None };
        Some(guest.skep_plugin_process_handler().call_save(store).await)
    }
}

struct Terminate<'a> {
    reason: &'a Reason,
}

impl Errand for Terminate<'_> {
    type Answer = ();
    const ROLE: Role = Role::Process;

    fn charge(&self) -> usize {
        self.reason.as_str().len()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Process(guest) = guest else { return None };
        Some(guest.skep_plugin_process_handler().call_terminate(store, self.reason.as_str()).await)
    }
}

impl Revision {
    /// The plugin's kinds of processes, as the component defines them.
    pub(crate) async fn ask_process_definitions(self: &Arc<Self>, call: Call) -> Result<Vec<Definition>, Failure> {
        self.run_errand(call, self.limits().deadline, Definitions, Ok).await
    }
}

struct Definitions;

impl Errand for Definitions {
    type Answer = Vec<Definition>;
    const ROLE: Role = Role::Process;

    fn charge(&self) -> usize {
        0
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Process(guest) = guest else { return None };
        Some(guest.skep_plugin_process_handler().call_definitions(store).await)
    }
}
