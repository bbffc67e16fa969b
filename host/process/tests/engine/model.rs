//! Random histories of several processes without a store, against a plain model.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use skep_process::*;

use crate::rig::{Rig, named, plugin};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Step {
    Start(usize),
    Add(usize),
    Cast(usize),
    Sleep(usize),
    Crash(usize),
    Stop(usize),
    Monitor(usize, usize),
    After(usize, u64),
    Pass(u64),
    Upgrade,
    List,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..NAMES.len();
    prop_oneof![
        6 => who().prop_map(Step::Start),
        8 => who().prop_map(Step::Add),
        3 => who().prop_map(Step::Cast),
        2 => who().prop_map(Step::Sleep),
        1 => who().prop_map(Step::Crash),
        2 => who().prop_map(Step::Stop),
        3 => (who(), who()).prop_map(|(a, b)| Step::Monitor(a, b)),
        3 => (who(), 1_u64..30).prop_map(|(who, after)| Step::After(who, after)),
        4 => (1_u64..20).prop_map(Step::Pass),
        1 => Just(Step::Upgrade),
        1 => Just(Step::List),
    ]
}

#[derive(Debug, Default)]
struct Process {
    count: u64,
    /// When its timers are due, in seconds since the begin.
    timers: Vec<u64>,
    /// Who monitors it.
    watchers: Vec<usize>,
}

/// What there is to be, and what there is to be heard.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    processes: BTreeMap<usize, Process>,
    heard: BTreeMap<String, usize>,
    restarts: Vec<u64>,
}

impl Model {
    fn hear(&mut self, who: usize, what: &str) {
        *self.heard.entry(format!("{}: {what}", NAMES[who])).or_default() += 1;
    }

    fn end(&mut self, who: usize) {
        let Some(process) = self.processes.remove(&who) else { return };
        for other in self.processes.values_mut() {
            other.watchers.retain(|watcher| *watcher != who);
        }
        for watcher in process.watchers.into_iter().filter(|watcher| *watcher != who) {
            self.hear(watcher, "down normal");
        }
        self.hear(who, "terminate");
    }

    fn pass(&mut self, time: u64) {
        self.now += time;
        let now = self.now;
        let mut rung = Vec::new();
        for (who, process) in &mut self.processes {
            let before = process.timers.len();
            process.timers.retain(|due| *due > now);
            rung.extend(std::iter::repeat_n(*who, before - process.timers.len()));
        }
        rung.into_iter().for_each(|who| self.hear(who, "ring"));
    }
}

async fn run(steps: Vec<Step>) {
    let limits = Limits { live_max: 2, ..Limits::default() };
    // Bad luck is another test's.
    let intensity = skep_supervision::Intensity { restarts: 1000, period: Duration::from_secs(1) };
    let kind = KindOptions { intensity, ..KindOptions::default() };
    let rig = Rig::with(kind, Options { limits, ..Options::default() });
    let mut model = Model::default();
    let mut version = 1;
    let mut newest = rig.counters.clone();
    let mut heard: BTreeMap<String, usize> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Start(who) => {
                let started = rig.try_start(Some(NAMES[who]), "").await;
                assert_eq!(started.is_ok(), !model.processes.contains_key(&who));
                model.processes.entry(who).or_default();
            }
            Step::Add(who) => {
                let answer = rig.try_call(&named(NAMES[who]), "add").await;
                match model.processes.get_mut(&who) {
                    Some(process) => {
                        process.count += 1;
                        assert_eq!(answer, Ok(process.count.to_string()));
                    }
                    None => assert_eq!(answer, Err(Failure::NotFound)),
                }
            }
            Step::Cast(who) => {
                let cast = rig.engine.cast(&named(NAMES[who]), "add".into()).await;
                assert_eq!(cast.is_ok(), model.processes.contains_key(&who));
                if let Some(process) = model.processes.get_mut(&who) {
                    process.count += 1;
                }
            }
            Step::Sleep(who) => drop(rig.engine.send(&named(NAMES[who]), "sleep".into()).await),
            Step::Crash(who) => {
                let crashed = rig.try_call(&named(NAMES[who]), "crash").await;
                if let Some(process) = model.processes.get_mut(&who) {
                    assert_eq!(crashed, Err(Failure::Crashed(Reason::new("told to"))));
                    process.count = 0;
                    model.restarts.push(model.now);
                }
            }
            Step::Stop(who) => {
                let stopped = rig.engine.stop(&named(NAMES[who]), Reason::NORMAL, None).await;
                assert_eq!(stopped.is_ok(), model.processes.contains_key(&who));
                model.end(who);
            }
            Step::Monitor(who, whom) => {
                let answer = rig.try_call(&named(NAMES[who]), &format!("monitor {}", NAMES[whom])).await;
                assert_eq!(answer.is_ok(), model.processes.contains_key(&who));
                if answer.is_ok() {
                    match model.processes.get_mut(&whom) {
                        Some(process) => process.watchers.push(who),
                        None => model.hear(who, "down noproc"),
                    }
                }
            }
            Step::After(who, after) => {
                let answer = rig.try_call(&named(NAMES[who]), &format!("after {} ring", after * 1000)).await;
                assert_eq!(answer.is_ok(), model.processes.contains_key(&who));
                let due = model.now + after;
                model.processes.get_mut(&who).into_iter().for_each(|process| process.timers.push(due));
            }
            Step::Pass(time) => {
                rig.pass(Duration::from_secs(time)).await;
                model.pass(time);
            }
            Step::Upgrade => {
                version += 1;
                let log = std::mem::take(&mut *newest.seen.log.lock());
                *rig.counters.seen.log.lock() = [rig.log(), log].concat();
                newest = crate::rig::Counters { version, ..rig.counters.clone() };
                let behaviour = std::sync::Arc::new(newest.clone());
                rig.engine.set_kind(&plugin(), "counter", kind, behaviour).unwrap();
            }
            Step::List => {
                let page = rig.engine.list(&plugin(), "", None, 0).await.unwrap();
                let names: Vec<_> = page.processes.iter().map(|listed| listed.name.to_string()).collect();
                let expected: Vec<_> = model.processes.keys().map(|who| NAMES[*who].to_owned()).collect();
                assert_eq!(names, expected);
            }
        }
        rig.settle().await;
        for line in rig.log() {
            *heard.entry(line).or_default() += 1;
        }
        // Who sleeps is not woken to be terminated.
        let wanted = |line: &&String| !line.contains("terminate");
        let got: BTreeMap<_, _> = heard.iter().filter(|(line, _)| wanted(line)).collect();
        let expected: BTreeMap<_, _> = model.heard.iter().filter(|(line, _)| wanted(line)).collect();
        assert_eq!(got, expected);
        assert_eq!(rig.engine.totals().processes, model.processes.len());
        assert!(rig.engine.totals().live <= 2);
        let timers: usize = model.processes.values().map(|process| process.timers.len()).sum();
        assert_eq!(rig.engine.totals().timers, timers);
    }
    assert_eq!(rig.told.count(|what| *what == Happened::Restarted), model.restarts.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn histories_are_those_of_the_model(steps in prop::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(run(steps));
    }
}
