//! Detached tasks: a bounded queue, and the loop that works it off.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use metrics::Counter;
use parking_lot::RwLock;
use skep_manifest::{TaskRestart, TasksConfig};
use skep_runtime::{DetachedTask, DetachedTasks, call_of_task};
use skep_supervision::{ChildContext, EventKind, ExitReason};
use skep_types::{Clock, FailureKind, HandlerName, PluginName};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::guard::{Branch, Guards, HandlerGuard};

/// The name of the counter of detached tasks, by plugin and outcome: `ok` or `failed`.
pub const TASKS: &str = "skep_tasks_total";
/// The pause before the second try of a transient task; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// How long a task waits that found no instance.
const LATER: Duration = Duration::from_millis(200);

/// The detached tasks of a plugin. They outlive the loop that works them off, and a reload.
pub(crate) struct Tasks {
    plugin: PluginName,
    clock: Arc<dyn Clock>,
    guards: Arc<Guards>,
    // Held, so that a breaker remembers from one task to the next.
    known: RwLock<BTreeMap<HandlerName, Arc<HandlerGuard>>>,
    settings: RwLock<TaskSettings>,
    // Bounded by `waiting`, whose limit a reload may change.
    sender: mpsc::UnboundedSender<DetachedTask>,
    waiting: Arc<AtomicUsize>,
    // Held by the loop for as long as it runs.
    queue: Mutex<mpsc::UnboundedReceiver<DetachedTask>>,
    ended: [Counter; 2],
}

/// What the manifest says of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskSettings {
    pub(crate) config: TasksConfig,
    /// Tries after the first one of a transient task.
    pub(crate) restarts: u32,
}

impl Tasks {
    pub(crate) fn new(
        plugin: &PluginName,
        settings: TaskSettings,
        clock: Arc<dyn Clock>,
        guards: Arc<Guards>,
    ) -> Arc<Self> {
        #[expect(clippy::disallowed_methods, reason = "bounded by `waiting`: a reload may change the limit")]
        let (sender, queue) = mpsc::unbounded_channel();
        let counter =
            |outcome: &'static str| metrics::counter!(TASKS, "plugin" => plugin.to_string(), "outcome" => outcome);
        Arc::new(Self {
            plugin: plugin.clone(),
            clock,
            guards,
            known: RwLock::default(),
            settings: RwLock::new(settings),
            sender,
            waiting: Arc::default(),
            queue: Mutex::new(queue),
            ended: ["ok", "failed"].map(counter),
        })
    }

    /// How many wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes what a reloaded manifest says. Tasks that wait already go on waiting, whatever the new bound.
    pub(crate) fn configure(&self, settings: TaskSettings) {
        *self.settings.write() = settings;
    }

    /// Works tasks off until it is told to stop; those at work then may end, those that wait are lost with the host.
    pub(crate) async fn serve(self: Arc<Self>, context: ChildContext) -> Result<(), ExitReason> {
        let mut queue = self.queue.lock().await;
        let mut at_work = JoinSet::new();
        loop {
            let concurrency = self.settings.read().config.concurrency;
            tokio::select! {
                () = context.stopping() => break,
                Some(_) = at_work.join_next(), if !at_work.is_empty() => {}
                Some(task) = queue.recv(), if at_work.len() < concurrency => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    at_work.spawn(Arc::clone(&self).run(task, context.clone()));
                }
            }
        }
        while at_work.join_next().await.is_some() {}
        Ok(())
    }

    /// Runs a task to its end, whatever it is, and tells it once.
    async fn run(self: Arc<Self>, task: DetachedTask, context: ChildContext) {
        let name = task.name.clone();
        // A panic of the host's own code is this task's end, and nobody else's.
        let ended = AssertUnwindSafe(self.attempts(task, &context)).catch_unwind().await;
        let [ok, failed] = &self.ended;
        match ended {
            Ok(Ok(())) => ok.increment(1),
            Ok(Err(reason)) => {
                failed.increment(1);
                self.tell(&context, &name, ExitReason::failed(reason));
            }
            Err(_) => {
                failed.increment(1);
                self.tell(&context, &name, ExitReason::Panicked { message: "in the host".to_owned() });
            }
        }
    }

    fn tell(&self, context: &ChildContext, task: &HandlerName, reason: ExitReason) {
        tracing::warn!(plugin = %self.plugin, %task, "a task ended: {reason}");
        let path = format!("{}/{task}", context.path());
        context.environment().bus.publish(self.clock.wall(), path.into(), EventKind::Exited { reason });
    }

    fn guard(&self, task: &HandlerName) -> Arc<HandlerGuard> {
        if let Some(known) = self.known.read().get(task) {
            return Arc::clone(known);
        }
        let guard = self.guards.handler(Branch::Tasks, task.as_str());
        Arc::clone(self.known.write().entry(task.clone()).or_insert(guard))
    }

    /// Runs it until it ends well or has no try left. While its breaker is open a task fails at once: one that waited
    /// would stand in the way of others.
    async fn attempts(&self, task: DetachedTask, context: &ChildContext) -> Result<(), String> {
        let TaskSettings { config, restarts } = *self.settings.read();
        let tries = match config.restart {
            TaskRestart::Temporary => 1,
            TaskRestart::Transient => 1 + restarts,
        };
        let (guard, mut attempt) = (self.guard(&task.name), 0);
        loop {
            let permit = guard.admit().map_err(|failure| failure.to_string())?;
            let call = call_of_task(&task.parent);
            let ended = task.revision.run_task(call, config.deadline, task.name.as_str(), &task.args).await;
            permit.done(ended.as_ref().map(drop), None);
            let reason = match ended {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(why)) => why,
                // It had no chance yet.
                Err(failure) if failure.kind == FailureKind::Overloaded && !context.is_stopping() => {
                    tokio::time::sleep(LATER).await;
                    continue;
                }
                Err(failure) => failure.to_string(),
            };
            attempt += 1;
            if attempt >= tries || context.is_stopping() {
                return Err(reason);
            }
            tokio::time::sleep(RETRY_FIRST * (1 << (attempt - 1).min(16))).await;
        }
    }
}

/// A task that was taken. It begins when this is dropped.
struct Taken {
    sender: mpsc::UnboundedSender<DetachedTask>,
    task: Option<DetachedTask>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            // The receiver lives as long as the plugin; without it there is nobody to run the task.
            let _ = self.sender.send(task);
        }
    }
}

impl DetachedTasks for Tasks {
    fn take(&self, task: DetachedTask) -> Option<Box<dyn Send + Sync>> {
        let limit = self.settings.read().config.queue;
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= limit {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Box::new(Taken { sender: self.sender.clone(), task: Some(task) }))
    }
}
