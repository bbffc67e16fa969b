//! The driver over real tasks, under a clock that the test moves.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use skep_supervision::tree::TreeState;
use skep_supervision::{
    Backoff, Beyond, Bus, Child, ChildSpec, Environment, EventKind, ExitReason, Handle, Intensity, Restart, Shutdown,
    Spec, Supervisor,
};
use skep_types::ManualClock;

struct Rig {
    clock: Arc<ManualClock>,
    bus: Bus,
    handle: Handle,
}

fn start(spec: Spec, children: Vec<Child>) -> Rig {
    let clock = Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH));
    let bus = Bus::default();
    let environment = Environment { clock: clock.clone(), bus: bus.clone() };
    let handle = Supervisor::start("host", spec, children, environment).unwrap();
    Rig { clock, bus, handle }
}

impl Rig {
    async fn until(&self, found: impl Fn(&EventKind) -> bool) {
        while !self.bus.since(0).iter().any(|event| found(&event.kind)) {
            tokio::task::yield_now().await;
        }
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.handle.look().unwrap();
    }
}

fn temporary(id: &str) -> ChildSpec {
    ChildSpec::worker(id).restart(Restart::Temporary)
}

#[tokio::test]
async fn every_end_is_reported_once() {
    let children = vec![
        Child::new(temporary("normal"), |_| async { Ok(()) }),
        Child::new(temporary("failed"), |_| async { Err(ExitReason::failed("no disk")) }),
        Child::new(temporary("panicked"), |_| async { panic!("boom") }),
        Child::new(temporary("killed").shutdown(Shutdown::BrutalKill), |_| pending()),
    ];
    let rig = start(Spec::default(), children);
    let ends = ["normal", "failed", "panicked", "killed", "nobody"].map(|id| rig.handle.monitor(id));
    rig.handle.terminate_child("killed").await.unwrap();
    let mut reasons = Vec::new();
    for end in ends {
        reasons.push(end.await.unwrap().to_string());
    }
    assert_eq!(reasons, ["normal", "failed: no disk", "panicked: boom", "killed", "no such process"]);
    rig.handle.stop().await;
    for id in ["normal", "failed", "panicked", "killed"] {
        let over = |kind: &EventKind| matches!(kind, EventKind::Exited { .. } | EventKind::Stopped { .. });
        let path = format!("host/{id}");
        let count = rig.bus.since(0).iter().filter(|event| *event.path == *path && over(&event.kind)).count();
        assert_eq!(count, 1, "{id}");
    }
}

#[tokio::test]
async fn children_stop_in_reverse_and_the_stubborn_are_killed() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let child = |id: &'static str, stubborn: bool| {
        let order = Arc::clone(&order);
        Child::new(ChildSpec::worker(id), move |context| {
            let order = Arc::clone(&order);
            async move {
                context.stopping().await;
                order.lock().push(id);
                if stubborn { pending().await } else { Ok(()) }
            }
        })
    };
    let below = Supervisor::child(ChildSpec::supervisor("below"), Spec::default(), vec![child("d", false)]).unwrap();
    let rig = start(Spec::default(), vec![child("a", false), child("b", true), child("c", false), below]);
    rig.until(|kind| *kind == EventKind::Started).await;
    while rig.handle.snapshot().children.last().is_none_or(|below| below.children.is_empty()) {
        tokio::task::yield_now().await;
    }
    let end = rig.handle.monitor("b");
    let stop = tokio::spawn({
        let handle = rig.handle.clone();
        async move { handle.stop().await }
    });
    while order.lock().last() != Some(&"b") {
        tokio::task::yield_now().await;
    }
    assert_eq!(*order.lock(), ["d", "c", "b"], "a waits for b");
    rig.pass(Duration::from_secs(5));
    assert_eq!(end.await.unwrap(), ExitReason::Killed);
    assert_eq!(stop.await.unwrap(), ExitReason::Shutdown);
    assert_eq!(*order.lock(), ["d", "c", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn it_backs_off_gives_up_and_is_resumed() {
    let spec = Spec {
        intensity: Intensity { restarts: 0, ..Intensity::default() },
        beyond: Beyond::Backoff(Backoff { rounds: 1, ..Backoff::default() }),
        ..Spec::default()
    };
    let rig = start(spec, vec![Child::new(ChildSpec::worker("a"), |_| async { panic!("always") })]);
    rig.until(|kind| matches!(kind, EventKind::BackingOff { round: 1, .. })).await;
    while !matches!(rig.handle.snapshot().supervisor, Some(TreeState::BackingOff { .. })) {
        tokio::task::yield_now().await;
    }
    assert!(rig.handle.snapshot().next_retry().is_some());
    rig.pass(Duration::from_millis(1200));
    rig.until(|kind| matches!(kind, EventKind::GaveUp { .. })).await;
    assert!(rig.handle.snapshot().gave_up());
    rig.handle.resume().unwrap();
    rig.until(|kind| *kind == EventKind::Resumed).await;
    rig.handle.stop().await;
}
