use skep_types::{Clock, SystemClock};

use super::*;

const FAILED: Outcome = Outcome::Failed { client: None };

struct Rig {
    breaker: Breaker,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        let now = SystemClock.now();
        Self { breaker: Breaker::new(BreakerOptions::default(), now), now }
    }

    fn call(&self, outcome: Outcome) -> Option<Change> {
        self.breaker.admit(self.now).expect("admitted").done(self.now, outcome)
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn opened() -> Self {
        let rig = Self::new();
        let opened = (0..20).filter_map(|_| rig.call(FAILED)).next();
        assert_eq!(opened, Some(Change::Opened { cool_down: Duration::from_secs(5) }));
        rig
    }
}

#[test]
fn it_opens_at_the_ratio_and_not_before_the_minimum() {
    let rig = Rig::new();
    for _ in 0..19 {
        assert_eq!(rig.call(FAILED), None);
    }
    assert!(rig.call(FAILED).is_some());
    let rig = Rig::new();
    for _ in 0..1000 {
        assert_eq!(rig.call(Outcome::Ok), None);
        assert_eq!(rig.call(Outcome::Ok), None);
        assert_eq!(rig.call(FAILED), None, "a third is not half");
    }
}

#[test]
fn one_client_never_opens_it_and_a_second_does() {
    let mut rig = Rig::new();
    for second in 0..100 {
        for _ in 0..1000 {
            assert_eq!(rig.call(Outcome::Failed { client: Some(7) }), None, "second {second}");
        }
        rig.pass(1);
    }
    assert!(rig.call(Outcome::Failed { client: Some(8) }).is_some());
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let mut rig = Rig::new();
    for _ in 0..19 {
        rig.call(FAILED);
    }
    rig.pass(10);
    assert_eq!(rig.call(FAILED), None);
    assert_eq!(rig.breaker.state(), BreakerState::Closed);
    rig.pass(9);
    for _ in 0..18 {
        assert_eq!(rig.call(FAILED), None);
    }
    assert!(rig.call(FAILED).is_some(), "the twentieth of ten seconds");
}

#[test]
fn open_rejects_and_says_for_how_long() {
    let mut rig = Rig::opened();
    rig.pass(2);
    assert_eq!(rig.breaker.admit(rig.now).unwrap_err(), Rejected { retry_after: Duration::from_secs(3) });
}

#[test]
fn half_open_lets_one_probe_through_at_a_time() {
    let mut rig = Rig::opened();
    rig.pass(5);
    let probe = rig.breaker.admit(rig.now).unwrap();
    assert!(probe.is_probe());
    assert_eq!(rig.breaker.admit(rig.now).unwrap_err(), Rejected { retry_after: PROBE_WAIT });
    assert_eq!(probe.done(rig.now, Outcome::Ok), Some(Change::Closed));
    assert!(!rig.breaker.admit(rig.now).unwrap().is_probe());
    assert_eq!(rig.call(FAILED), None, "the old failures are forgotten");
}

#[test]
fn a_dropped_or_ignored_probe_lets_the_next_one_go() {
    let mut rig = Rig::opened();
    rig.pass(5);
    drop(rig.breaker.admit(rig.now).unwrap());
    let probe = rig.breaker.admit(rig.now).unwrap();
    assert_eq!(probe.done(rig.now, Outcome::Ignored), None);
    assert_eq!(rig.breaker.state(), BreakerState::HalfOpen);
    assert!(rig.breaker.admit(rig.now).unwrap().is_probe());
}

#[test]
fn each_failed_probe_doubles_the_cool_down_up_to_a_minute() {
    let mut rig = Rig::opened();
    for expected in [10, 20, 40, 60, 60] {
        rig.pass(60);
        assert_eq!(rig.call(FAILED), Some(Change::Opened { cool_down: Duration::from_secs(expected) }));
    }
    rig.pass(60);
    assert_eq!(rig.call(Outcome::Ok), Some(Change::Closed));
    let reopened = (0..20).filter_map(|_| rig.call(FAILED)).next();
    assert_eq!(reopened, Some(Change::Opened { cool_down: Duration::from_secs(5) }), "it starts over");
}

#[test]
fn calls_of_an_earlier_era_do_not_judge_the_present() {
    let mut rig = Rig::new();
    let late: Vec<_> = (0..50).map(|_| rig.breaker.admit(rig.now).unwrap()).collect();
    for _ in 0..20 {
        let _ = rig.breaker.admit(rig.now).map(|permit| permit.done(rig.now, FAILED));
    }
    rig.now += Duration::from_secs(5);
    assert_eq!(rig.breaker.admit(rig.now).unwrap().done(rig.now, Outcome::Ok), Some(Change::Closed));
    for permit in late {
        assert_eq!(permit.done(rig.now, FAILED), None);
    }
    assert_eq!(rig.breaker.state(), BreakerState::Closed);
}

#[test]
fn threads_agree_on_one_probe() {
    let mut rig = Rig::opened();
    rig.pass(5);
    let admitted: usize = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| (0..1000).filter_map(|_| rig.breaker.admit(rig.now).ok()).map(std::mem::forget).count())
            })
            .collect();
        tasks.into_iter().map(|task| task.join().unwrap()).sum()
    });
    assert_eq!(admitted, 1);
}
