//! A server that goes, hangs, is not there, or is somebody else.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;
use std::time::Duration;

use skep_sql::{Database, Error, PostgresOptions, SessionLimits, TransactionMode};
use skep_test_postgres::{AtCommit, Proxy, Server};
use skep_types::clock::SystemClock;

use crate::fixture::{Fixture, READ_WRITE, all, eventually, int, numbers, one, postgres, postgres_with, run};

fn behind(proxy: &Proxy) -> Fixture {
    let url = proxy.url().to_owned();
    postgres_with(|options| options.url = url).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_not_known() {
    let Some(server) = Server::shared() else { return };
    let proxy = Proxy::before(&server.database()).await;
    let fixture = behind(&proxy);
    numbers(&fixture, 1).await;
    for (at, count) in [(AtCommit::CutBefore, 1), (AtCommit::CutAfter, 2)] {
        let session = fixture.session();
        session.begin(TransactionMode::default()).await.unwrap();
        run(&session, "INSERT INTO numbers VALUES (10)", vec![]).await.unwrap();
        proxy.at_commit([at]);
        assert_eq!(session.commit().await, Err(Error::OutcomeUnknown), "{at:?}");
        assert!(!session.in_transaction());
        assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(count)), "{at:?}");
    }
    let impatient = fixture.limited(|limits| limits.statement = Duration::from_millis(300));
    impatient.begin(TransactionMode::default()).await.unwrap();
    run(&impatient, "INSERT INTO numbers VALUES (11)", vec![]).await.unwrap();
    proxy.at_commit([AtCommit::StallAfter]);
    assert_eq!(impatient.commit().await, Err(Error::OutcomeUnknown));
    assert_eq!(fixture.database.stats().errors.outcome_unknown, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_are_made_anew() {
    let Some(server) = Server::shared() else { return };
    let proxy = Proxy::before(&server.database()).await;
    let fixture = behind(&proxy);
    numbers(&fixture, 3).await;
    let session = fixture.session();
    for _ in 0..3 {
        fixture.quiet().await;
        proxy.cut();
        assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(3)));
    }
    // In a transaction it is told, and nothing of it is there.
    session.begin(TransactionMode::default()).await.unwrap();
    run(&session, "INSERT INTO numbers VALUES (10)", vec![]).await.unwrap();
    proxy.cut();
    assert!(matches!(run(&session, "INSERT INTO numbers VALUES (11)", vec![]).await, Err(Error::Unavailable(_))));
    assert!(matches!(session.commit().await, Err(Error::Unavailable(_))));
    assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_waited_for_so_long_and_no_longer() {
    let Some(server) = Server::shared() else { return };
    let proxy = Proxy::before(&server.database()).await;
    let fixture = behind(&proxy);
    numbers(&fixture, 3).await;
    // Silent behind what a connection is told first of all, how long a statement may take, or before.
    for knows_how_long in [true, false] {
        let session = fixture.limited(|limits| limits.statement = Duration::from_millis(200));
        if knows_how_long {
            assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(3)));
        }
        fixture.quiet().await;
        proxy.stall();
        let read = one(&session, "SELECT count(*) FROM numbers", vec![]).await;
        assert_eq!(read, Err(Error::Timeout), "{knows_how_long}");
        proxy.flow();
        proxy.cut();
        fixture.quiet().await;
        // With another limit than the session's that comes next.
        assert_eq!(one(&fixture.session(), "SELECT count(*) FROM numbers", vec![]).await, Ok(int(3)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_interrupted_here_does_not_go_on_there() {
    let Some(fixture) = postgres() else { return };
    let session = fixture.session();
    let given_up =
        tokio::time::timeout(Duration::from_millis(300), all(&session, "SELECT pg_sleep(500)", vec![])).await;
    assert!(given_up.is_err());
    fixture.quiet().await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(5%' \
               AND pid <> pg_backend_pid() AND state = 'active'";
    let mut left = None;
    for _ in 0..200 {
        left = one(&session, sql, vec![]).await.ok();
        if left == Some(int(0)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(left, Some(int(0)));
}

#[tokio::test]
async fn connections_that_nobody_uses_are_closed() {
    let soon = |options: &mut PostgresOptions| options.idle = Duration::from_millis(100);
    let Some(fixture) = postgres_with(soon) else { return };
    numbers(&fixture, 2).await;
    eventually(|| fixture.database.stats().connections == 0).await;
    assert_eq!(one(&fixture.session(), "SELECT count(*) FROM numbers", vec![]).await, Ok(int(2)));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_its_password() {
    let url = "postgres://user:hunter2@127.0.0.1:1/db";
    let database = Database::postgres(PostgresOptions::new(url), Arc::new(SystemClock)).unwrap();
    let session = database.session(READ_WRITE, SessionLimits::default());
    for error in [database.check().await.err(), run(&session, "SELECT 1", vec![]).await.err()] {
        assert!(matches!(&error, Some(Error::Unavailable(why)) if !why.contains("hunter2")), "{error:?}");
    }
    assert!(!format!("{:?}", PostgresOptions::new(url)).contains("hunter2"));
    let Some(server) = Server::shared() else { return };
    let wrong = server.database().replacen(server.secrets()[1], "wrong", 1);
    let database = Database::postgres(PostgresOptions::new(wrong), Arc::new(SystemClock)).unwrap();
    let refused = database.check().await;
    assert!(matches!(&refused, Err(Error::Unavailable(why)) if why.contains("password")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_over_tls_has_to_be_who_it_says() {
    let Some(server) = Server::start() else { return };
    let url = server.database();
    let check = async |url: String| {
        let database = Database::postgres(PostgresOptions::new(url), Arc::new(SystemClock))?;
        database.check().await
    };
    let refused = check(format!("{url}?sslmode=require")).await;
    assert!(matches!(&refused, Err(Error::Unavailable(why)) if why.contains("offers no TLS")), "{refused:?}");

    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (server.folder().join("server.crt"), server.folder().join("server.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let owner = std::fs::metadata(server.folder()).unwrap();
    for file in [&certificate, &key] {
        std::os::unix::fs::chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    for (name, value) in [("ssl_cert_file", certificate.display()), ("ssl_key_file", key.display())] {
        server.ask(&url, &format!("ALTER SYSTEM SET {name} = '{value}'"));
    }
    server.ask(&url, "ALTER SYSTEM SET ssl = on");
    server.ask(&url, "SELECT pg_reload_conf()");
    let by_name = url.replace("@127.0.0.1:", "@localhost:");
    let root = format!("sslmode=require&sslrootcert={}", certificate.display());
    let mut done = Err(Error::Busy);
    for _ in 0..200 {
        done = check(format!("{by_name}?{root}")).await;
        if done.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(done, Ok(()));
    for (url, words) in
        [(format!("{by_name}?sslmode=require"), "UnknownIssuer"), (format!("{url}?{root}"), "not valid for name")]
    {
        let refused = check(url).await;
        assert!(matches!(&refused, Err(Error::Unavailable(why)) if why.contains(words)), "{refused:?}");
    }
    // All else is the same, interrupting included.
    let options = PostgresOptions::new(format!("{by_name}?{root}"));
    let database = Database::postgres(options, Arc::new(SystemClock)).unwrap();
    let limits = SessionLimits { statement: Duration::from_millis(300), ..SessionLimits::default() };
    let session = database.session(READ_WRITE, limits);
    let is_on = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(one(&session, is_on, vec![]).await, Ok(skep_sql::Value::Boolean(true)));
    assert_eq!(all(&session, "SELECT pg_sleep(100)", vec![]).await, Err(Error::Timeout));
    let patient = database.session(READ_WRITE, SessionLimits::default());
    assert_eq!(all(&patient, "SELECT repeat('x', 20000000)", vec![]).await, Err(Error::TooLarge(8 << 20)));
    assert_eq!(one(&patient, "SELECT 1", vec![]).await, Ok(int(1)));
}
