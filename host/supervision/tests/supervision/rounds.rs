//! What follows when the intensity is exceeded, in pure time.

use std::time::{Duration, Instant};

use skep_supervision::tree::{Action, Input, Run, TreeState};
use skep_supervision::{Backoff, Beyond, ChildSpec, EventKind, ExitReason, Intensity, Spec, Tree};
use skep_types::{Clock, SystemClock};

struct Rig {
    tree: Tree,
    now: Instant,
    run: Option<Run>,
    events: Vec<EventKind>,
}

impl Rig {
    fn new() -> Self {
        let now = SystemClock.now();
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let spec = Spec {
            intensity: Intensity { restarts: 0, ..Intensity::default() },
            beyond: Beyond::Backoff(backoff),
            ..Spec::default()
        };
        let tree = Tree::new(spec, vec![ChildSpec::worker("a")], fastrand::Rng::with_seed(0), now).unwrap();
        let mut rig = Self { tree, now, run: None, events: Vec::new() };
        rig.feed(Input::Boot);
        rig
    }

    fn feed(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            for action in self.tree.handle(self.now, input) {
                match action {
                    Action::Start { run, .. } => {
                        self.run = Some(run);
                        next = Some(Input::Started(run));
                    }
                    Action::Event(None, kind) => self.events.push(kind),
                    _ => {}
                }
            }
        }
    }

    fn crash(&mut self) {
        let run = self.run.take().expect("it runs");
        self.feed(Input::Exited(run, ExitReason::failed("crash")));
    }

    /// Waits until the tree wants to be woken.
    fn wake(&mut self) -> Duration {
        let at = self.tree.next_wake().expect("something is due");
        let passed = at - self.now;
        self.now = at;
        self.feed(Input::Tick);
        passed
    }
}

#[test]
fn ten_rounds_and_it_gives_up_until_it_is_resumed() {
    let mut rig = Rig::new();
    let delays: Vec<u64> = (0..10)
        .map(|_| {
            rig.crash();
            rig.wake().as_secs()
        })
        .collect();
    assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    rig.crash();
    assert_eq!(rig.tree.state(), TreeState::GaveUp);
    assert_eq!(rig.events.last(), Some(&EventKind::GaveUp { rounds: 10 }));
    assert_eq!(rig.tree.next_wake(), None, "nothing but an operator ends it");
    rig.feed(Input::Resume);
    assert_eq!(rig.tree.state(), TreeState::Running);
    rig.crash();
    assert_eq!(rig.wake(), Duration::from_secs(1), "a fresh budget");
}

#[test]
fn a_healthy_minute_heals_the_budget() {
    let mut rig = Rig::new();
    rig.crash();
    rig.wake();
    rig.crash();
    assert_eq!(rig.wake(), Duration::from_secs(2));
    assert_eq!(rig.wake(), Duration::from_secs(60));
    assert_eq!(rig.events.last(), Some(&EventKind::Healed));
    rig.crash();
    assert_eq!(rig.wake(), Duration::from_secs(1));
}
