use std::time::SystemTime;

use skep_manifest::{BreakerConfig, Ratio};
use skep_supervision::Environment;
use skep_types::ManualClock;

use super::*;
use crate::guard::{Branch, Guards};

const SECOND: Duration = Duration::from_secs(1);

struct Rig {
    guards: Guards,
    guard: Arc<HandlerGuard>,
    clock: Arc<ManualClock>,
    bus: Bus,
}

impl Rig {
    fn new(config: BreakerConfig) -> Self {
        let (clock, bus) = (Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH)), Bus::default());
        let injected: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let environment = Environment { clock: injected, bus: bus.clone() };
        let guards = Guards::new(PluginName::new("shop").unwrap(), config, &environment);
        let guard = guards.handler(Branch::Http, "GET /orders");
        Self { guards, guard, clock, bus }
    }

    fn with(change: impl FnOnce(&mut BreakerConfig)) -> Self {
        let mut config = BreakerConfig::default();
        change(&mut config);
        Self::new(config)
    }

    /// A call of a client that ends well or traps; false if it was rejected.
    fn call(&self, client: u8, well: bool) -> bool {
        let failure = Failure::new(FailureKind::Trap, Phase::Handle, "");
        let Ok(permit) = self.guard.admit() else { return false };
        permit.done(if well { Ok(()) } else { Err(&failure) }, Some([10, 0, 0, client].into()));
        true
    }

    fn fail(&self, times: u8, clients: u8) -> bool {
        (0..times).for_each(|at| assert!(self.call(at % clients, false), "call {at} was rejected"));
        self.guard.is_open()
    }

    fn retry_after(&self) -> Duration {
        match self.guard.admit() {
            Ok(_) => Duration::ZERO,
            Err(failure) => failure.retry_after.unwrap(),
        }
    }

    fn events(&self) -> Vec<String> {
        self.bus.since(0).iter().map(ToString::to_string).collect()
    }
}

#[test]
fn each_setting_is_obeyed() {
    // By default twenty calls of two clients open it for five seconds.
    assert!(!Rig::with(|_| ()).fail(19, 2));
    assert!(Rig::with(|_| ()).fail(20, 2));
    assert!(!Rig::with(|config| config.enabled = false).fail(200, 2));
    assert!(Rig::with(|config| config.calls = 5).fail(5, 2));
    assert!(!Rig::with(|config| config.calls = 21).fail(20, 2));
    assert!(!Rig::with(|config| config.clients = 3).fail(200, 2));
    assert!(Rig::with(|config| config.clients = 1).fail(20, 1));

    for (ratio, opens) in [(0.3, true), (0.5, false)] {
        let rig = Rig::with(|config| config.ratio = Ratio::new(ratio).unwrap());
        (0..60).for_each(|at| {
            rig.call(at % 2, at % 3 > 0);
        });
        assert_eq!(rig.guard.is_open(), opens, "a third failed, {ratio} are allowed");
    }
    for (window, opens) in [(30, true), (5, false)] {
        let rig = Rig::with(|config| config.window = SECOND * window);
        rig.fail(10, 2);
        rig.clock.advance(SECOND * 10);
        assert_eq!(rig.fail(10, 2), opens, "{window} s");
    }
}

#[test]
fn the_cool_down_doubles_up_to_its_bound_and_a_good_probe_ends_it() {
    let rig = Rig::with(|config| (config.cool_down, config.cool_down_max) = (SECOND * 2, SECOND * 5));
    rig.fail(20, 2);
    for wait in [2, 4, 5, 5] {
        assert_eq!(rig.retry_after(), SECOND * wait);
        rig.clock.advance(SECOND * wait);
        assert!(rig.call(1, false), "a probe");
    }
    rig.clock.advance(SECOND * 4 + Duration::from_millis(1));
    assert_eq!(rig.retry_after(), SECOND, "whole seconds, rounded up");
    rig.clock.advance(SECOND);
    let probe = rig.guard.admit().unwrap();
    assert_eq!(rig.retry_after(), SECOND, "one probe at a time");
    drop(probe);
    assert!(rig.call(1, true), "a probe whose client left leaves its place to the next call");
    assert!(!rig.guard.is_open());
    let events = rig.events();
    assert_eq!(events[0], "host/shop/http/GET /orders breaker opened for 2.0s");
    assert_eq!(events.last().unwrap(), "host/shop/http/GET /orders breaker closed");
}

#[test]
fn a_guard_is_kept_over_revisions_and_settings() {
    let rig = Rig::with(|_| ());
    assert!(Arc::ptr_eq(&rig.guard, &rig.guards.handler(Branch::Http, "GET /orders")));
    assert!(!Arc::ptr_eq(&rig.guard, &rig.guards.handler(Branch::Tasks, "GET /orders")));
    rig.fail(10, 2);
    rig.guards.renew(BreakerConfig::default(), true);
    assert!(rig.fail(10, 2), "a closed breaker remembers over a deploy");
    rig.guards.renew(BreakerConfig::default(), false);
    assert!(rig.guard.is_open(), "nothing changed");
    let permit = rig.guard.admit();
    assert!(permit.is_err());
    rig.guards.renew(BreakerConfig::default(), true);
    assert!(!rig.guard.is_open(), "a deploy is an operator's act");
    assert_eq!(rig.events().len(), 2, "opened and closed");

    let late = rig.guard.admit().unwrap();
    rig.fail(20, 2);
    rig.guards.renew(BreakerConfig { calls: 1, ..BreakerConfig::default() }, false);
    assert!(!rig.guard.is_open(), "other settings start afresh");
    late.done(Err(&Failure::new(FailureKind::Trap, Phase::Handle, "")), None);
    assert!(!rig.guard.is_open(), "a call that began before says nothing of it");
    assert!(rig.fail(2, 2));
    rig.guards.renew(BreakerConfig { enabled: false, ..BreakerConfig::default() }, false);
    assert!(!rig.fail(200, 2));
}
