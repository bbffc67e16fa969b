//! The tree against a reference model: OTP's rules written the plain way, one child after the other.

use proptest::prelude::*;

use crate::{schedule, sim};

#[derive(Clone)]
struct Child {
    id: String,
    restart: String,
    brutal: bool,
    significant: bool,
    /// `up`, `down` or `again`.
    state: &'static str,
}

fn child(words: &[&str]) -> Child {
    Child {
        id: words[0].into(),
        restart: words[1].into(),
        brutal: words[2] == "brutal",
        significant: words[3] == "true",
        state: "down",
    }
}

#[derive(Default)]
struct Model {
    strategy: String,
    budget: u32,
    auto_shutdown: String,
    children: Vec<Child>,
    fail: std::collections::HashMap<String, u32>,
    trace: Vec<String>,
    over: bool,
}

impl Model {
    fn find(&self, id: &str) -> Option<usize> {
        self.children.iter().position(|child| child.id == id)
    }

    fn start(&mut self, at: usize) -> bool {
        let id = self.children[at].id.clone();
        let fails = self.fail.get_mut(&id).filter(|times| **times > 0);
        let ok = fails.map(|times| *times -= 1).is_none();
        self.trace.push(format!("{} {id}", if ok { '+' } else { 'x' }));
        if ok {
            self.children[at].state = "up";
        }
        ok
    }

    /// Stops the children from one on, last first; temporary ones are forgotten.
    fn stop_from(&mut self, first: usize) {
        for at in (first..self.children.len()).rev() {
            let child = &mut self.children[at];
            if std::mem::replace(&mut child.state, "down") == "up" && !child.brutal {
                self.trace.push(format!("- {}", child.id));
            }
            if self.children[at].restart == "temporary" {
                self.children.remove(at);
            }
        }
    }

    fn end(&mut self, how: &str) {
        self.stop_from(0);
        self.trace.push(format!("! {how}"));
        self.over = true;
    }

    fn restart(&mut self, id: &str) {
        let mut id = id.to_owned();
        while let Some(at) = self.find(&id) {
            self.children[at].state = "down";
            if self.budget == 0 {
                return self.end("shutdown");
            }
            self.budget -= 1;
            let first = match self.strategy.clone().as_str() {
                "one_for_one" if self.start(at) => return,
                "one_for_one" => continue,
                "one_for_all" => 0,
                _ => at,
            };
            self.stop_from(first);
            match (first..self.children.len()).find(|at| !self.start(*at)) {
                None => return,
                Some(failed) => id = self.children[failed].id.clone(),
            }
        }
    }

    fn crash(&mut self, id: &str, reason: &str) {
        let Some(at) = self.find(id).filter(|at| self.children[*at].state == "up") else { return };
        let child = self.children[at].clone();
        let abnormal = !matches!(reason, "normal" | "shutdown");
        if child.restart == "permanent" || child.restart == "transient" && abnormal {
            return self.restart(id);
        }
        self.children[at].state = "down";
        if child.restart == "temporary" {
            self.children.remove(at);
        }
        let left = self.children.iter().any(|child| child.significant && child.state == "up");
        if child.significant && (self.auto_shutdown == "any_significant" || !left) {
            self.end("shutdown");
        }
    }

    fn command(&mut self, words: &[&str]) -> &'static str {
        let found = self.find(words[1]);
        let up = found.is_some_and(|at| self.children[at].state == "up");
        match (words[0], found) {
            ("start", Some(_)) => {
                if up {
                    "already_started"
                } else {
                    "already_present"
                }
            }
            ("start", None) => {
                self.children.push(child(&words[1..]));
                if self.start(self.children.len() - 1) {
                    return "ok";
                }
                self.children.pop();
                "start_failed"
            }
            (_, None) => "not_found",
            ("terminate", Some(at)) => {
                let rest = self.children.split_off(at + 1);
                self.stop_from(at);
                self.children.extend(rest);
                "ok"
            }
            _ if up => "running",
            ("restart", Some(at)) => {
                if self.start(at) {
                    "ok"
                } else {
                    "start_failed"
                }
            }
            (_, Some(at)) => {
                self.children.remove(at);
                "ok"
            }
        }
    }
}

fn run(schedule: &str) -> String {
    let mut model = Model::default();
    for line in schedule.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let running = !model.trace.is_empty();
        if running && line != "end" {
            model.trace.push(format!("> {line}"));
        }
        match words[0] {
            "sup" => {
                model.strategy = words[1].into();
                model.budget = words[2].parse().unwrap();
                model.auto_shutdown = words[3].into();
            }
            "child" => model.children.push(child(&words[1..])),
            "end" if !model.over => model.end("shutdown"),
            _ if model.over => continue,
            "fail" => drop(model.fail.insert(words[1].into(), words[2].parse().unwrap())),
            "go" => {
                if (0..model.children.len()).any(|at| !model.start(at)) {
                    model.end("start_failed");
                    break;
                }
            }
            "crash" => model.crash(words[1], words[2]),
            _ => {
                let answer = model.command(&words);
                model.trace.push(format!("< {answer}"));
            }
        }
        if !model.over && (running || line == "go") {
            let children = model.children.iter().map(|child| format!(" {}:{}", child.id, child.state));
            let line = format!("={}", children.collect::<String>());
            model.trace.push(line);
        }
    }
    model.trace.push("end\n".into());
    model.trace.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn the_tree_does_what_the_rules_say(seed: u64) {
        let schedule = schedule::generate(seed);
        prop_assert_eq!(sim::run(&schedule), run(&schedule), "ours left; schedule:\n{}", schedule);
    }
}
