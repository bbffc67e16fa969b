//! What a component says of its handlers, asked once when its revision is loaded.

use std::sync::Arc;
use std::time::Duration;

use skep_bindings::{channel_handler, job_handler, process_handler};
use skep_jobs::Definition;
use skep_types::{Call, Failure, FailureKind, HandlerName, Phase, PluginName, TopicPattern, TopicSelector};

use crate::linked::Role;
use crate::revision::Revision;

/// Subscriptions of a plugin: each has a queue and a place in the supervision tree.
const SUBSCRIPTIONS_MAX: usize = 1_000;
/// Jobs of a plugin by name.
const JOBS_MAX: usize = 1_000;
/// The priority of the job that can wait longest.
const PRIORITY_MAX: u8 = 9;
/// The wall time of one attempt.
const JOB_TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Channels of a plugin, by the patterns of their topics.
const CHANNELS_MAX: usize = 100;
/// Events that a channel intercepts.
const INTERCEPTS_MAX: usize = 100;
/// Kinds of processes of a plugin.
const KINDS_MAX: usize = 100;
/// Tasks of a plugin by name.
const TASKS_MAX: usize = 1_000;

/// The handlers of a component that have names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// What it listens to.
    pub subscriptions: Vec<Subscription>,
    /// The jobs that it does.
    pub jobs: Vec<Definition>,
    /// The kinds of processes that it has.
    pub processes: Vec<ProcessDefinition>,
    /// The channels that clients may join.
    pub channels: Vec<ChannelDefinition>,
    /// The tasks that it runs.
    pub tasks: Vec<HandlerName>,
}

/// One of the plugin's subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its name, unique in the plugin.
    pub name: HandlerName,
    /// What it listens to.
    pub topics: TopicSelector,
}

/// A kind of processes, as the component defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessDefinition {
    /// Its name, unique in the plugin.
    pub kind: String,
    /// Of what is saved.
    pub version: u32,
    /// Whether it can be saved and loaded.
    pub saves: bool,
    /// Whether it can be told what happened.
    pub replays: bool,
}

/// A plugin's channels of one pattern, as the component defines them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelDefinition {
    /// Their topics, unique in the plugin.
    pub topics: TopicPattern,
    /// Events whose broadcasts it is asked about.
    pub intercepts: Vec<String>,
    /// Whether it is told what is published.
    pub infos: bool,
    /// Whether it is told of its end.
    pub terminates: bool,
}

impl Revision {
    /// Asks the component for its subscriptions, jobs, processes, channels and tasks, in instances of their own.
    ///
    /// # Errors
    /// When it does not answer, or when what it says breaks a rule; the message names it.
    pub async fn declare(self: &Arc<Self>, call: &Call) -> Result<(), Failure> {
        let mut declared = Declared::default();
        if self.handles(Role::Subscriber) {
            let said = self.ask_subscriptions(call.clone()).await?;
            bounded(said.len(), SUBSCRIPTIONS_MAX, "subscriptions")?;
            for subscription in said {
                let subscription = read(self.plugin(), &subscription.name, &subscription.topics)?;
                if declared.subscriptions.iter().any(|other| other.name == subscription.name) {
                    return Err(bad(format!("two subscriptions are called `{}`", subscription.name)));
                }
                declared.subscriptions.push(subscription);
            }
        }
        if self.handles(Role::Job) {
            let said = self.ask_job_definitions(call.clone()).await?;
            bounded(said.len(), JOBS_MAX, "jobs")?;
            for definition in said {
                let definition = read_job(&definition)?;
                if declared.jobs.iter().any(|other| other.name == definition.name) {
                    return Err(bad(format!("two jobs are called `{}`", definition.name)));
                }
                declared.jobs.push(definition);
            }
        }
        if self.handles(Role::Process) {
            let said = self.ask_process_definitions(call.clone()).await?;
            bounded(said.len(), KINDS_MAX, "kinds of processes")?;
            for definition in said {
                let definition = read_process(definition)?;
                if declared.processes.iter().any(|other| other.kind == definition.kind) {
                    return Err(bad(format!("two kinds of processes are called `{}`", definition.kind)));
                }
                declared.processes.push(definition);
            }
        }
        if self.handles(Role::Channel) {
            let said = self.ask_channel_definitions(call.clone()).await?;
            bounded(said.len(), CHANNELS_MAX, "channels")?;
            for definition in said {
                let definition = read_channel(definition)?;
                if declared.channels.iter().any(|other| other.topics == definition.topics) {
                    return Err(bad(format!("two channels are for `{}`", definition.topics)));
                }
                declared.channels.push(definition);
            }
        }
        if self.handles(Role::Task) {
            let said = self.ask_task_names(call.clone()).await?;
            bounded(said.len(), TASKS_MAX, "tasks")?;
            for name in said {
                let name = HandlerName::new(&name).map_err(|error| bad(format!("a task: {error}")))?;
                if declared.tasks.contains(&name) {
                    return Err(bad(format!("two tasks are called `{name}`")));
                }
                declared.tasks.push(name);
            }
        }
        self.set_declared(declared);
        Ok(())
    }
}

fn read(plugin: &PluginName, name: &str, topics: &str) -> Result<Subscription, Failure> {
    let name = HandlerName::new(name).map_err(|error| bad(format!("a subscription: {error}")))?;
    let topics =
        TopicSelector::of(plugin, topics).map_err(|error| bad(format!("the subscription `{name}`: {error}")))?;
    Ok(Subscription { name, topics })
}

fn read_job(said: &job_handler::Definition) -> Result<Definition, Failure> {
    let name = HandlerName::new(&said.name).map_err(|error| bad(format!("a job: {error}")))?;
    let queue =
        HandlerName::new(&said.queue).map_err(|error| bad(format!("the queue of the job `{name}`: {error}")))?;
    if said.priority > PRIORITY_MAX {
        return Err(bad(format!("the job `{name}` has priority {}, and the lowest is {PRIORITY_MAX}", said.priority)));
    }
    if said.max_attempts == 0 {
        return Err(bad(format!("the job `{name}` may not be tried at all: max-attempts is at least 1")));
    }
    let timeout = said.timeout.map(Duration::from_millis);
    if timeout.is_some_and(|timeout| timeout.is_zero() || timeout > JOB_TIME_MAX) {
        return Err(bad(format!("the job `{name}` has a timeout of {timeout:?}: 1 ms to a day")));
    }
    Ok(Definition { name, queue, priority: said.priority, max_attempts: said.max_attempts, timeout })
}

fn read_process(said: process_handler::Definition) -> Result<ProcessDefinition, Failure> {
    let process_handler::Definition { kind, version, saves, replays } = said;
    skep_process::check_kind(&kind).map_err(|error| bad(format!("a process: {error}")))?;
    Ok(ProcessDefinition { kind, version, saves, replays })
}

fn read_channel(said: channel_handler::Definition) -> Result<ChannelDefinition, Failure> {
    let channel_handler::Definition { topics, intercepts, listens } = said;
    let topics: TopicPattern = topics.parse().map_err(|error| bad(format!("the channel `{topics}`: {error}")))?;
    bounded(intercepts.len(), INTERCEPTS_MAX, "events that a channel intercepts")?;
    Ok(ChannelDefinition {
        topics,
        intercepts,
        infos: listens.contains(channel_handler::Listens::INFO),
        terminates: listens.contains(channel_handler::Listens::TERMINATE),
    })
}

fn bounded(said: usize, max: usize, what: &str) -> Result<(), Failure> {
    if said > max { Err(bad(format!("it declares {said} {what}, and may have {max}"))) } else { Ok(()) }
}

fn bad(why: String) -> Failure {
    Failure::new(FailureKind::BadAnswer, Phase::Instantiate, why)
}
