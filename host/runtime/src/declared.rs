//! What a component says of its handlers, asked once when its revision is loaded.

use std::sync::Arc;

use skep_types::{Call, Failure, FailureKind, HandlerName, Phase, PluginName, TopicSelector};

use crate::linked::Role;
use crate::revision::Revision;

/// Subscriptions of a plugin: each has a queue and a place in the supervision tree.
const SUBSCRIPTIONS_MAX: usize = 1_000;
/// Tasks of a plugin by name.
const TASKS_MAX: usize = 1_000;

/// The handlers of a component that have names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// What it listens to.
    pub subscriptions: Vec<Subscription>,
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

impl Revision {
    /// Asks the component for its subscriptions and tasks, in instances of their own.
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

fn bounded(said: usize, max: usize, what: &str) -> Result<(), Failure> {
    if said > max { Err(bad(format!("it declares {said} {what}, and may have {max}"))) } else { Ok(()) }
}

fn bad(why: String) -> Failure {
    Failure::new(FailureKind::BadAnswer, Phase::Instantiate, why)
}
