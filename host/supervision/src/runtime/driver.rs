//! The loop: letters and time go into the tree, its actions become tasks, aborts, answers and events.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use super::child::{Child, ChildContext, Guarded};
use super::handle::{Environment, Handle, Shared};
use super::inbox::{Down, Inbox, Letter};
use super::signal::Signal;
use crate::exit::ExitReason;
use crate::tree::{Action, ChildId, ChildSpec, Command, Input, Refused, Run, Spec, SpecError, Ticket, Tree, TreeState};

/// The shortest sleep. A manual clock may say that something is due in no time, again and again.
const SLEEP_MIN: Duration = Duration::from_millis(1);

/// Starts supervisors.
#[derive(Debug)]
pub struct Supervisor;

impl Supervisor {
    /// Starts a supervisor of its own, a root, on the current tokio runtime. Its children are started in order, in the
    /// background. It runs until it is stopped or ends itself; dropping the handle stops nothing.
    pub fn start(name: &str, spec: Spec, children: Vec<Child>, environment: Environment) -> Result<Handle, SpecError> {
        let (driver, handle) = Driver::new(name.into(), spec, children, environment)?;
        tokio::spawn(driver.run(None));
        Ok(handle)
    }

    /// A child that is a supervisor. It counts as started when its own children have started, as in OTP, or when it
    /// backs off. Its end is a shutdown, also when it escalates; then only a permanent one is started again.
    pub fn child(own: ChildSpec, spec: Spec, children: Vec<Child>) -> Result<Child, SpecError> {
        // Checked here rather than at each start.
        for (at, child) in children.iter().enumerate() {
            child.spec.check(&spec)?;
            if children.iter().take(at).any(|other| other.spec.id == child.spec.id) {
                return Err(SpecError::Duplicate(child.spec.id.clone()));
            }
        }
        let child = Child::new(own, move |context| {
            let children = children.clone();
            async move {
                let driver = Driver::new(Arc::clone(&context.path), spec, children, context.environment.clone());
                let (driver, handle) = driver.map_err(|error| ExitReason::failed(error.to_string()))?;
                *context.nested.lock() = Some(handle);
                Err(driver.run(Some(context)).await)
            }
        });
        Ok(child.announces())
    }
}

/// A run under way.
struct Task {
    child: ChildId,
    abort: AbortHandle,
    stop: Signal,
    started: bool,
    monitors: Vec<Down>,
}

impl Drop for Task {
    /// A supervisor that is gone leaves no child behind. For a task that has ended this does nothing.
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// A command under way.
struct Asked {
    about: ChildId,
    child: Option<Child>,
    answer: oneshot::Sender<Result<(), Refused>>,
}

struct Driver {
    environment: Environment,
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    children: HashMap<ChildId, Child>,
    tasks: HashMap<Run, Task>,
    runs: HashMap<ChildId, Run>,
    asked: HashMap<Ticket, Asked>,
    next_ticket: u64,
    ended: watch::Sender<Option<ExitReason>>,
}

impl Driver {
    fn new(
        path: Arc<str>,
        spec: Spec,
        children: Vec<Child>,
        environment: Environment,
    ) -> Result<(Self, Handle), SpecError> {
        let now = environment.clock.now();
        let specs = children.iter().map(|child| child.spec.clone()).collect();
        let tree = Mutex::new(Tree::new(spec, specs, fastrand::Rng::new(), now)?);
        let shared = Arc::new(Shared { path, tree, nested: Mutex::default() });
        let inbox = Arc::<Inbox>::default();
        let (ended, end) = watch::channel(None);
        let handle = Handle { inbox: Arc::clone(&inbox), shared: Arc::clone(&shared), ended: end };
        let driver = Self {
            environment,
            shared,
            inbox,
            children: children.into_iter().map(|child| (child.spec.id.clone(), child)).collect(),
            tasks: HashMap::new(),
            runs: HashMap::new(),
            asked: HashMap::new(),
            next_ticket: 0,
            ended,
        };
        Ok((driver, handle))
    }

    async fn run(mut self, mut parent: Option<ChildContext>) -> ExitReason {
        self.feed(Input::Boot);
        let mut told_to_stop = false;
        loop {
            while let Some(letter) = self.inbox.take() {
                self.open(letter);
            }
            self.feed(Input::Tick);
            let ended = self.ended.borrow().clone();
            if let Some(reason) = ended {
                return reason;
            }
            let (state, wake) = {
                let tree = self.shared.tree.lock();
                (tree.state(), tree.next_wake())
            };
            if state != TreeState::Starting
                && let Some(parent) = &parent
            {
                parent.ready();
            }
            let due = wake.map(|at| at.saturating_duration_since(self.environment.clock.now()).max(SLEEP_MIN));
            tokio::select! {
                () = self.inbox.arrived() => {}
                () = sleep(due) => {}
                () = stopping(parent.as_ref()), if !told_to_stop => {
                    told_to_stop = true;
                    parent = None;
                    self.feed(Input::Shutdown);
                }
            }
        }
    }

    fn open(&mut self, letter: Letter) {
        match letter {
            Letter::Started(run) => {
                if let Some(task) = self.tasks.get_mut(&run)
                    && !std::mem::replace(&mut task.started, true)
                {
                    self.feed(Input::Started(run));
                }
            }
            Letter::Over(run, reason) => self.over(run, reason),
            Letter::Command(command, child, answer) => self.ask(command, child, answer),
            Letter::Monitor(id, down) => {
                if let Some(task) = self.runs.get(&id).and_then(|run| self.tasks.get_mut(run)) {
                    // Those who stopped listening make room, so a long life does not gather them.
                    task.monitors.retain(Down::is_heard);
                    task.monitors.push(down.watching());
                }
            }
            Letter::Resume => self.feed(Input::Resume),
            Letter::Shutdown => self.feed(Input::Shutdown),
            Letter::Look => {}
        }
    }

    fn over(&mut self, run: Run, reason: ExitReason) {
        let Some(mut task) = self.tasks.remove(&run) else { return };
        let (child, started) = (task.child.clone(), task.started);
        self.runs.remove(&child);
        self.shared.nested.lock().remove(&child);
        for monitor in task.monitors.drain(..) {
            monitor.tell(reason.clone());
        }
        self.feed(if started { Input::Exited(run, reason) } else { Input::StartFailed(run, reason) });
        self.forget(&child);
    }

    fn ask(&mut self, command: Command, child: Option<Child>, answer: oneshot::Sender<Result<(), Refused>>) {
        let about = match &command {
            Command::Start(spec) => spec.id.clone(),
            Command::Terminate(id) | Command::Restart(id) | Command::Delete(id) => id.clone(),
        };
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.asked.insert(ticket, Asked { about, child, answer });
        self.feed(Input::Command(ticket, command));
    }

    /// Forgets how to make a child that the tree has forgotten.
    fn forget(&mut self, child: &ChildId) {
        if !self.shared.tree.lock().contains(child) {
            self.children.remove(child);
        }
    }

    /// Hands an input to the tree, and does what it says until it says nothing more.
    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let actions = self.shared.tree.lock().handle(self.environment.clock.now(), input);
            for action in actions {
                inputs.extend(self.act(action));
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Start { child, run, added_by } => return self.launch(child, run, added_by),
            Action::Stop(run) => {
                if let Some(task) = self.tasks.get(&run) {
                    task.stop.raise();
                }
            }
            Action::Kill(run) => {
                if let Some(task) = self.tasks.get(&run) {
                    task.abort.abort();
                }
            }
            Action::Reply(ticket, answer) => {
                if let Some(asked) = self.asked.remove(&ticket) {
                    self.forget(&asked.about);
                    // Whoever asked may have gone; the command was carried out all the same.
                    let _ = asked.answer.send(answer);
                }
            }
            Action::Event(child, kind) => {
                let path = child.map_or_else(|| Arc::clone(&self.shared.path), |child| self.path(&child));
                self.environment.bus.publish(self.environment.clock.wall(), path, kind);
            }
            Action::Ended(reason) => {
                self.inbox.close();
                self.ended.send_replace(Some(reason));
            }
        }
        None
    }

    fn launch(&mut self, id: ChildId, run: Run, added_by: Option<Ticket>) -> Option<Input> {
        if let Some(child) = added_by.and_then(|ticket| self.asked.get_mut(&ticket)?.child.take()) {
            self.children.insert(id.clone(), child);
        }
        let Some(child) = self.children.get(&id) else {
            return Some(Input::StartFailed(run, ExitReason::NoProcess));
        };
        let context = ChildContext {
            run,
            stop: Signal::default(),
            inbox: Arc::clone(&self.inbox),
            environment: self.environment.clone(),
            path: self.path(&id),
            nested: Arc::default(),
        };
        self.shared.nested.lock().insert(id.clone(), Arc::clone(&context.nested));
        let (stop, started) = (context.stop.clone(), !child.announces);
        let task = tokio::spawn(Guarded::new(Arc::clone(&child.factory), context));
        self.runs.insert(id.clone(), run);
        self.tasks.insert(run, Task { child: id, abort: task.abort_handle(), stop, started, monitors: Vec::new() });
        started.then_some(Input::Started(run))
    }

    fn path(&self, child: &ChildId) -> Arc<str> {
        format!("{}/{child}", self.shared.path).into()
    }
}

async fn sleep(due: Option<Duration>) {
    match due {
        Some(due) => tokio::time::sleep(due).await,
        None => std::future::pending().await,
    }
}

async fn stopping(parent: Option<&ChildContext>) {
    match parent {
        Some(parent) => parent.stopping().await,
        None => std::future::pending().await,
    }
}
