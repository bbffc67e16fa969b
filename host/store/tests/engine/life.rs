//! The life of a job, a commit and a message, from end to end.

use skep_store::{CommitError, JobState, Outgoing, Publish, Settle, Settled, Write};

use crate::{Fixture, NOW, check, commit, job, key, lease, plugin, set};

crate::on_every_backend! {
    a_commit_is_all_or_nothing,
    a_job_is_leased_settled_and_pruned,
    it_is_there_after_it_was_closed,
}

async fn a_commit_is_all_or_nothing(f: Fixture) {
    let mut first = commit(NOW);
    first.checks.push(check("cart", None));
    first.writes = vec![set("cart", "1 pear"), Write::Sum { key: key("orders"), by: 2 }];
    first.jobs = vec![job("mail a"), job("mail b")];
    let topic = "shop/orders".parse().unwrap();
    first.messages = vec![Outgoing::Publish(Publish { topic, event: None, data: "new".into() })];
    let done = f.store.commit(first.clone()).await.unwrap();
    assert_eq!((done.version, &done.sums[..], done.jobs.len()), (1, &[2][..], 2));
    assert_eq!(f.told.publishes(), ["new"]);

    assert_eq!(f.store.commit(first).await.unwrap_err(), CommitError::Conflict(0));
    assert_eq!(f.told.take().len(), 0);
    let items = f.store.get(plugin("shop"), vec!["cart".into(), "orders".into(), "none".into()], NOW).await.unwrap();
    let texts: Vec<_> = items.iter().map(|item| item.as_ref().map(|item| item.value.to_vec())).collect();
    assert_eq!(texts, [Some(b"1 pear".to_vec()), Some(b"2".to_vec()), None]);
}

async fn a_job_is_leased_settled_and_pruned(f: Fixture) {
    let mut insert = commit(NOW);
    insert.jobs = vec![job("a"), job("b")];
    let ids: Vec<_> = f.store.commit(insert).await.unwrap().jobs.iter().map(|job| job.id).collect();
    let leased = f.store.settle_and_lease(vec![], Some(lease(5, NOW))).await.unwrap().1.jobs;
    assert_eq!(leased.iter().map(|job| job.id).collect::<Vec<_>>(), ids);
    let settle = |at: usize, as_: Settled| Settle {
        id: leased[at].id,
        fence: leased[at].lease.as_ref().unwrap().fence,
        now: NOW + 1,
        as_,
    };
    let ends = vec![
        settle(0, Settled::Completed { output: Some("done".into()) }),
        settle(1, Settled::Retryable { error: "no route".into(), run_at: NOW + 5 }),
        settle(0, Settled::Returned),
    ];
    let settled = f.store.settle(ends).await.unwrap();
    assert_eq!(settled.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    let (done, _) = f.store.job(ids[0]).await.unwrap();
    assert_eq!((done.state, done.output.unwrap()), (JobState::Completed, "done".into()));
    let (failed, attempts) = f.store.job(ids[1]).await.unwrap();
    assert_eq!((failed.state, failed.attempt, &attempts[0].error[..]), (JobState::Retryable, 1, "no route"));
    assert_eq!(f.store.stage(NOW + 4, 10).await.unwrap(), (0, Some(NOW + 5)));
    assert_eq!(f.store.stage(NOW + 5, 10).await.unwrap(), (1, None));
    assert_eq!(f.store.prune(JobState::Completed, NOW + 2, 10).await.unwrap(), 1);
    let counts = f.store.queue_counts().await.unwrap();
    assert_eq!(counts[0].counts, [0, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(f.store.usage().await.unwrap()[0].jobs, 1);
}

async fn it_is_there_after_it_was_closed(f: Fixture) {
    let mut one = commit(NOW);
    one.writes.push(set("a", "1"));
    f.store.commit(one).await.unwrap();
    f.store.close().await.unwrap();
    assert!(f.store.get(plugin("shop"), vec!["a".into()], NOW).await.is_err());
    let again = f.again().await;
    let found = again.get(plugin("shop"), vec!["a".into()], NOW).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().version, 1);
}
