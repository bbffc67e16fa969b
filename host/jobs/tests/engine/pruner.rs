use skep_jobs::Outcome;
use skep_store::{Error, JobFilter, JobState, Op};

use crate::{Rig, secs, spec};

#[tokio::test]
async fn what_has_ended_goes_when_its_time_is_over_and_not_before() {
    let rig = Rig::new(10);
    let (done, cancelled, waiting) = (
        rig.enqueue(spec("a")).await,
        rig.enqueue(spec("a")).await,
        rig.enqueue(skep_jobs::JobSpec { run_at: Some(rig.wall() + 3_600_000), ..spec("a") }).await,
    );
    let mut running = rig.all_begun().await;
    running.remove(0).done();
    running.remove(0).end(Outcome::Cancel("no".into()));
    rig.pass(secs(59)).await;
    assert_eq!(rig.state(done).await, JobState::Completed);
    rig.pass(secs(32)).await;
    assert_eq!(rig.store.job(done).await.unwrap_err(), Error::NotFound);
    assert_eq!(rig.state(cancelled).await, JobState::Cancelled, "people may want to look at it");
    rig.clock.advance(secs(7 * 24 * 3600));
    rig.pass(secs(31)).await;
    assert_eq!(rig.store.job(cancelled).await.unwrap_err(), Error::NotFound);
    assert_ne!(rig.state(waiting).await, JobState::Completed);
}

#[tokio::test]
async fn much_that_has_ended_goes_in_steps() {
    let rig = Rig::new(10);
    rig.settle().await;
    for _ in 0..3 {
        let specs = vec![skep_jobs::JobSpec { run_at: Some(rig.wall() + 3_600_000), ..spec("a") }; 1000];
        rig.jobs.enqueue(&crate::plugin(), specs).await.unwrap();
    }
    let (mut changed, mut before) = (0, None);
    loop {
        let report = rig.jobs.operate(JobFilter::default(), Op::Cancel, before).await.unwrap();
        changed += report.changed;
        before = report.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(changed, 3000);
    rig.clock.advance(secs(8 * 24 * 3600));
    rig.pass(secs(30)).await;
    let counts = rig.store.queue_counts().await.unwrap();
    assert_eq!(counts.iter().flat_map(|counts| counts.counts).sum::<u64>(), 0);
}
