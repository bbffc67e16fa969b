//! Whoever shares a database with somebody bad.

use std::time::Duration;

use skep_sql::{Error, SessionLimits};

use crate::fixture::{READ_WRITE, all, each, eventually, int, numbers, one, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_runaway_disturbs_nobody() {
    each(async |fixture| {
        numbers(&fixture, 3).await;
        let bad = fixture.limited(|limits| limits.statement = Duration::from_secs(3));
        let sql = fixture.runaway();
        let runaway = tokio::spawn(async move { all(&bad, sql, vec![]).await });
        eventually(|| fixture.database.stats().in_use == 1).await;
        let good = fixture.session();
        for n in 10..60 {
            assert_eq!(run(&good, "INSERT INTO numbers VALUES ($1)", vec![int(n)]).await, Ok(1));
            assert_eq!(one(&good, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(n - 6)));
        }
        assert!(!runaway.is_finished(), "the runaway has not run beside them");
        assert_eq!(runaway.await.unwrap(), Err(Error::Timeout));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_share_few_connections() {
    each(async |fixture| {
        numbers(&fixture, 3).await;
        let tasks: Vec<_> = (0..40)
            .map(|task| {
                let limits = SessionLimits { wait: Duration::from_secs(60), ..SessionLimits::default() };
                let session = fixture.database.session(READ_WRITE, limits);
                tokio::spawn(async move {
                    for n in 0..10 {
                        let number = vec![int(1_000 + task * 100 + n)];
                        assert_eq!(run(&session, "INSERT INTO numbers VALUES ($1)", number.clone()).await, Ok(1));
                        assert_eq!(
                            one(&session, "SELECT n FROM numbers WHERE n = $1", number.clone()).await,
                            Ok(number[0].clone())
                        );
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(one(&fixture.session(), "SELECT count(*) FROM numbers", vec![]).await, Ok(int(403)));
        fixture.quiet().await;
        let stats = fixture.database.stats();
        assert_eq!((stats.waiting, stats.in_use), (0, 0));
        assert!(stats.connections <= 8, "{}", stats.connections);
        assert!(stats.statements >= 800 && stats.rows >= 400 && stats.nanos > 0);
    })
    .await;
}
