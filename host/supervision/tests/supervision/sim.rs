//! Runs schedules over the tree: starts and stops take no time, and everything is traced.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use skep_supervision::tree::{Action, ChildState, Command, Input, Run, Ticket, TreeState};
use skep_supervision::{
    AutoShutdown, Beyond, ChildId, ChildSpec, ExitReason, Intensity, Refused, Restart, Shutdown, Spec, Strategy, Tree,
};
use skep_types::{Clock, SystemClock};

pub(crate) fn spec(words: &[&str]) -> Spec {
    let [strategy, restarts, auto_shutdown] = words else { panic!("{words:?}") };
    Spec {
        strategy: match *strategy {
            "one_for_one" => Strategy::OneForOne,
            "one_for_all" => Strategy::OneForAll,
            _ => Strategy::RestForOne,
        },
        intensity: Intensity { restarts: restarts.parse().unwrap(), period: Duration::from_secs(1_000_000) },
        auto_shutdown: match *auto_shutdown {
            "never" => AutoShutdown::Never,
            "any_significant" => AutoShutdown::AnySignificant,
            _ => AutoShutdown::AllSignificant,
        },
        beyond: Beyond::Escalate,
    }
}

pub(crate) fn child(words: &[&str]) -> ChildSpec {
    let [id, restart, shutdown, significant] = words else { panic!("{words:?}") };
    ChildSpec {
        significant: *significant == "true",
        ..ChildSpec::worker(*id)
            .restart(match *restart {
                "permanent" => Restart::Permanent,
                "transient" => Restart::Transient,
                _ => Restart::Temporary,
            })
            .shutdown(if *shutdown == "brutal" { Shutdown::BrutalKill } else { Shutdown::default() })
    }
}

fn refused(refused: &Refused) -> &'static str {
    match refused {
        Refused::NotFound(_) => "not_found",
        Refused::AlreadyStarted(_) => "already_started",
        Refused::AlreadyPresent(_) => "already_present",
        Refused::Running(_) => "running",
        Refused::Restarting(_) => "restarting",
        Refused::StartFailed(_) => "start_failed",
        other => panic!("OTP has no such refusal: {other}"),
    }
}

pub(crate) struct Sim {
    tree: Tree,
    now: Instant,
    runs: HashMap<Run, ChildId>,
    fail: HashMap<String, u32>,
    ended: bool,
    trace: String,
}

impl Sim {
    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for action in self.tree.handle(self.now, input) {
                inputs.extend(self.act(action));
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Start { child, run, .. } => {
                let fails = self.fail.get_mut(child.as_str()).filter(|times| **times > 0);
                if let Some(times) = fails {
                    *times -= 1;
                    self.say(&format!("x {child}"));
                    return Some(Input::StartFailed(run, ExitReason::failed("planned")));
                }
                self.say(&format!("+ {child}"));
                self.runs.insert(run, child);
                Some(Input::Started(run))
            }
            Action::Stop(run) => {
                let child = self.runs.remove(&run).expect("only what runs is stopped");
                self.say(&format!("- {child}"));
                Some(Input::Exited(run, ExitReason::Shutdown))
            }
            Action::Kill(run) => {
                self.runs.remove(&run).expect("only what runs is killed");
                Some(Input::Exited(run, ExitReason::Killed))
            }
            Action::Reply(_, answer) => {
                let answer = answer.as_ref().map_or_else(refused, |()| "ok");
                self.say(&format!("< {answer}"));
                None
            }
            Action::Event(..) => None,
            Action::Ended(reason) => {
                self.ended = true;
                self.say(if reason == ExitReason::Shutdown { "! shutdown" } else { "! start_failed" });
                None
            }
        }
    }

    fn say(&mut self, line: &str) {
        self.trace.push_str(line);
        self.trace.push('\n');
    }

    fn show(&mut self) {
        if self.ended {
            return;
        }
        assert_eq!(self.tree.state(), TreeState::Running);
        let children = self.tree.children().map(|child| {
            let state = if child.state == ChildState::Running { "up" } else { "down" };
            format!(" {}:{state}", child.id)
        });
        let line = format!("={}", children.collect::<String>());
        self.say(&line);
    }

    fn step(&mut self, words: &[&str]) {
        let command = match words {
            ["fail", id, times] => {
                self.fail.insert((*id).to_owned(), times.parse().unwrap());
                return;
            }
            ["crash", id, reason] => {
                let reason = match *reason {
                    "normal" => ExitReason::Normal,
                    "shutdown" => ExitReason::Shutdown,
                    "kill" => ExitReason::Killed,
                    other => ExitReason::failed(other),
                };
                let found = self.runs.iter().find(|(_, child)| child.as_str() == *id).map(|(run, _)| *run);
                if let Some(run) = found {
                    self.runs.remove(&run);
                    self.feed(Input::Exited(run, reason));
                }
                return;
            }
            ["start", spec @ ..] => Command::Start(child(spec)),
            ["terminate", id] => Command::Terminate((*id).into()),
            ["restart", id] => Command::Restart((*id).into()),
            ["delete", id] => Command::Delete((*id).into()),
            other => panic!("{other:?}"),
        };
        self.feed(Input::Command(Ticket(0), command));
    }
}

/// The trace of one schedule.
pub(crate) fn run(schedule: &str) -> String {
    let mut lines = schedule.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let spec = spec(&lines.next().unwrap()[1..]);
    let (mut children, mut fail) = (Vec::new(), HashMap::new());
    for line in lines.by_ref() {
        match line.as_slice() {
            ["child", words @ ..] => children.push(child(words)),
            ["fail", id, times] => drop(fail.insert((*id).to_owned(), times.parse().unwrap())),
            _ => break,
        }
    }
    let now = SystemClock.now();
    let tree = Tree::new(spec, children, fastrand::Rng::with_seed(0), now).unwrap();
    let mut sim = Sim { tree, now, runs: HashMap::new(), fail, ended: false, trace: String::new() };
    sim.feed(Input::Boot);
    if sim.ended {
        sim.say("end");
        return sim.trace;
    }
    sim.show();
    for line in lines {
        if line == ["end"] {
            if !sim.ended {
                sim.feed(Input::Shutdown);
            }
            break;
        }
        sim.say(&format!("> {}", line.join(" ")));
        if !sim.ended {
            sim.step(&line);
            sim.show();
        }
    }
    assert!(sim.runs.is_empty(), "an ended supervisor leaves nobody behind");
    sim.say("end");
    sim.trace
}
