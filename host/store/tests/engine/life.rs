//! The life of a job, a commit and a message, from end to end.

use skep_store::{CommitError, JobState, Outgoing, Publish, Settle, Settled, SqliteStore, Store, Write};
use std::sync::Arc;

use crate::{NOW, check, commit, fixture, job, key, lease, options, plugin, set};

#[tokio::test]
async fn a_commit_is_all_or_nothing() {
    let f = fixture();
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

#[tokio::test]
async fn a_job_is_leased_settled_and_pruned() {
    let f = fixture();
    let mut insert = commit(NOW);
    insert.jobs = vec![job("a"), job("b")];
    let ids: Vec<_> = f.store.commit(insert).await.unwrap().jobs.iter().map(|job| job.id).collect();
    let (_, leased) = f.store.settle_and_lease(vec![], Some(lease(5, NOW))).await.unwrap();
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

#[tokio::test]
async fn it_is_there_after_it_was_closed() {
    let f = fixture();
    let mut one = commit(NOW);
    one.writes.push(set("a", "1"));
    f.store.commit(one).await.unwrap();
    f.store.close().await.unwrap();
    assert!(f.store.get(plugin("shop"), vec!["a".into()], NOW).await.is_err());
    let again = SqliteStore::open(options(&f.folder), Arc::clone(&f.told) as Arc<_>).unwrap();
    let found = again.get(plugin("shop"), vec!["a".into()], NOW).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().version, 1);
    let copy = f.folder.path().join("copy.sqlite");
    assert!(again.backup(copy.clone()).await.unwrap() > 0);
    assert!(again.backup(copy).await.is_err());
}
