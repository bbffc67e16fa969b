//! The folder that makes the schema, over both backends.

use std::path::Path;

use skep_sql::{Applied, Database, Error, Migrated, Migrations, TransactionMode};

use crate::fixture::{Fixture, Kind, all, each, int, one, run, sqlite, text};

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, sql) in files {
        std::fs::write(folder.join(name), sql).unwrap();
    }
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    folder
}

async fn migrate(database: &Database, folder: &Path) -> Result<Migrated, String> {
    let migrations = Migrations::from_folder(folder).map_err(|error| error.to_string())?;
    database.migrate(&migrations.of("shop")).await.map_err(|error| error.to_string())
}

fn numbers(applied: &[Applied]) -> Vec<u32> {
    applied.iter().map(|applied| applied.number).collect()
}

async fn count(fixture: &Fixture, table: &str) -> Result<skep_sql::Value, Error> {
    one(&fixture.session(), &format!("SELECT count(*) FROM {table}"), vec![]).await
}

const FIRST: (&str, &str) = (
    "0001_users.sql",
    "-- Who buys; and a semicolon; in a comment.\nCREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT);\n\
     INSERT INTO users VALUES (1, 'a;b');\n",
);
const SECOND: (&str, &str) =
    ("0002_more-users.sql", "INSERT INTO users VALUES (2, 'c');\nINSERT INTO users VALUES (3, 'd')");

#[tokio::test]
async fn each_file_is_applied_once_and_in_order() {
    each(async |fixture| {
        let folder = folder(&[FIRST, SECOND, ("README.md", "no migration")]);
        let done = migrate(&fixture.database, folder.path()).await.unwrap();
        assert_eq!(numbers(&done.applied), [1, 2]);
        assert_eq!(done.applied[1].name, "more-users");
        assert_eq!(count(&fixture, "users").await, Ok(int(3)));
        assert_eq!(migrate(&fixture.database, folder.path()).await, Ok(Migrated::default()));
        write(folder.path(), &[("0003_no_users.sql", "DELETE FROM users; -- all\n")]);
        assert_eq!(numbers(&migrate(&fixture.database, folder.path()).await.unwrap().applied), [3]);
        assert_eq!(count(&fixture, "users").await, Ok(int(0)));
        // Another plugin has migrations of its own in the same database.
        let other = Migrations::from_folder(folder.path()).unwrap().of("other");
        let refused = fixture.database.migrate(&other).await.unwrap_err().to_string();
        assert!(refused.contains("0001_users.sql") && refused.contains("already exists"), "{refused}");
        fixture.quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_file_that_fails_is_undone_and_named_with_its_line() {
    each(async |fixture| {
        let folder = folder(&[FIRST]);
        for (sql, line, words) in [
            ("INSERT INTO users VALUES (9, 'x');\n\nINSRT INTO users VALUES (10, 'y');\n", 3, "syntax error"),
            ("INSERT INTO users VALUES (9, 'ü');\n-- more\nINSERT INTO nowhere VALUES (1);\n", 3, "nowhere"),
            ("INSERT INTO users VALUES (9, 'x');\nINSERT INTO users VALUES (9, 'x');\n", 2, "unique"),
        ] {
            write(folder.path(), &[("0002_bad.sql", sql)]);
            let refused = migrate(&fixture.database, folder.path()).await.unwrap_err();
            assert!(refused.contains("0002_bad.sql") && refused.to_lowercase().contains(words), "{refused}");
            // PostgreSQL does not say where a constraint failed.
            let knows = fixture.kind == Kind::Sqlite || words != "unique";
            assert_eq!(refused.contains(&format!("line {line}:")), knows, "{refused}");
            // What came before it is there, and nothing of itself.
            assert_eq!(count(&fixture, "users").await, Ok(int(1)));
        }
        write(folder.path(), &[("0002_bad.sql", SECOND.1)]);
        assert_eq!(numbers(&migrate(&fixture.database, folder.path()).await.unwrap().applied), [2]);
        fixture.quiet().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_applied_is_not_changed_any_more() {
    each(async |fixture| {
        let folder = folder(&[FIRST, SECOND]);
        migrate(&fixture.database, folder.path()).await.unwrap();
        let path = folder.path();
        let refused = async || migrate(&fixture.database, path).await.unwrap_err();

        write(path, &[(SECOND.0, "INSERT INTO users VALUES (2, 'C')")]);
        let why = refused().await;
        assert!(why.contains(SECOND.0) && why.contains("changed") && why.contains("new file"), "{why}");
        // Other ends of lines are no change.
        write(path, &[(SECOND.0, &SECOND.1.replace('\n', "\r\n"))]);
        assert_eq!(migrate(&fixture.database, path).await, Ok(Migrated::default()));

        std::fs::rename(path.join(SECOND.0), path.join("0002_others.sql")).unwrap();
        let why = refused().await;
        assert!(why.contains("0002_others.sql") && why.contains(SECOND.0), "{why}");

        std::fs::rename(path.join("0002_others.sql"), path.join("0001_users.sql")).unwrap();
        let why = refused().await;
        assert!(why.contains("0001_users.sql") && why.contains("changed"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_ahead_is_taken_as_it_is() {
    each(async |fixture| {
        let folder = folder(&[FIRST, SECOND]);
        migrate(&fixture.database, folder.path()).await.unwrap();
        std::fs::remove_file(folder.path().join(SECOND.0)).unwrap();
        let done = migrate(&fixture.database, folder.path()).await.unwrap();
        assert_eq!((numbers(&done.applied), numbers(&done.ahead)), (vec![], vec![2]));
        assert_eq!(done.ahead[0].name, "more-users");
        // Forward again.
        write(folder.path(), &[SECOND, ("0003_three.sql", "DELETE FROM users")]);
        let done = migrate(&fixture.database, folder.path()).await.unwrap();
        assert_eq!((numbers(&done.applied), numbers(&done.ahead)), (vec![3], vec![]));
    })
    .await;
}

#[tokio::test]
async fn a_folder_that_is_wrong_is_refused_before_anything_is_asked() {
    for (files, words) in [
        (vec![FIRST, ("0001_b.sql", "")], "another file has this number"),
        (vec![FIRST, ("0003_c.sql", "")], "0002 is missing"),
        (vec![("0002_c.sql", "")], "0001 is missing"),
        (vec![("0000_c.sql", "")], "named"),
        (vec![("1_c.sql", "")], "named"),
        (vec![("0001.sql", "")], "named"),
        (vec![("0001_.sql", "")], "named"),
        (vec![("0001_a b.sql", "")], "named"),
        (vec![("users.sql", "")], "named"),
        (vec![("0001_nul.sql", "SELECT '\0'")], "NUL"),
        (vec![("0001_large.sql", &*"-".repeat((1 << 20) + 1))], "1048576"),
    ] {
        let folder = folder(&files);
        let why = Migrations::from_folder(folder.path()).unwrap_err().to_string();
        assert!(why.contains(words) && why.contains(".sql`"), "{why}");
    }
    let why = Migrations::from_folder(Path::new("/nowhere/at/all")).unwrap_err().to_string();
    assert!(why.contains("/nowhere/at/all"), "{why}");
    assert!(Migrations::from_folder(folder(&[]).path()).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_start_at_once_apply_each_file_once() {
    each(async |fixture| {
        let files: Vec<_> = (1..=8)
            .map(|number| {
                let sql = match number {
                    1 => "CREATE TABLE t (n BIGINT)".to_owned(),
                    number => format!("INSERT INTO t VALUES ({number})"),
                };
                (format!("{number:04}_t.sql"), sql)
            })
            .collect();
        let files: Vec<_> = files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
        let folder = folder(&files);
        let hosts: Vec<_> = (0..4)
            .map(|_| {
                let (database, path) = (fixture.another(), folder.path().to_owned());
                tokio::spawn(async move { migrate(&database, &path).await })
            })
            .collect();
        let mut applied = Vec::new();
        for host in hosts {
            applied.extend(numbers(&host.await.unwrap().unwrap().applied));
        }
        applied.sort_unstable();
        assert_eq!(applied, (1..=8).collect::<Vec<_>>());
        assert_eq!(count(&fixture, "t").await, Ok(int(7)));
    })
    .await;
}

#[tokio::test]
async fn a_file_does_not_end_its_transaction() {
    each(async |fixture| {
        for sql in
            ["CREATE TABLE t (n BIGINT); COMMIT; CREATE TABLE u (n BIGINT)", "ROLLBACK", "BEGIN; COMMIT; SELECT 1"]
        {
            let folder = folder(&[("0001_t.sql", sql)]);
            let why = migrate(&fixture.database, folder.path()).await.unwrap_err();
            assert!(why.contains("0001_t.sql"), "{why}");
            fixture.quiet().await;
            run(&fixture.session(), "DROP TABLE IF EXISTS t", vec![]).await.unwrap();
            run(&fixture.session(), "DROP TABLE IF EXISTS u", vec![]).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_migration_of_sqlites_may_do_no_more_than_its_plugin() {
    let fixture = sqlite();
    let elsewhere = fixture.folder.path().join("elsewhere.db");
    let attach = format!("ATTACH '{}' AS other", elsewhere.display());
    for sql in
        [attach.as_str(), "PRAGMA writable_schema = 1", "SELECT load_extension('x')", "DELETE FROM skep_migrations"]
    {
        let folder = folder(&[FIRST, ("0002_bad.sql", sql)]);
        let why = migrate(&fixture.database, folder.path()).await.unwrap_err();
        assert!(why.contains("0002_bad.sql") && why.contains("denied"), "{why}");
    }
    assert!(!elsewhere.exists());
    // Triggers have semicolons, and a table is rebuilt with its references in the air.
    let trigger = "PRAGMA defer_foreign_keys = ON;\nCREATE TRIGGER t AFTER INSERT ON users BEGIN\n  \
                   UPDATE users SET name = 'new' WHERE id = NEW.id;\n  SELECT 1;\nEND;\nINSERT INTO users VALUES (5, 'old');";
    let folder = folder(&[FIRST, ("0002_trigger.sql", trigger)]);
    assert_eq!(numbers(&migrate(&fixture.database, folder.path()).await.unwrap().applied), [2]);
    let session = fixture.session();
    assert_eq!(one(&session, "SELECT name FROM users WHERE id = 5", vec![]).await, Ok(text("new")));
    // The notes of it can be read by guests, and only read.
    assert_eq!(one(&session, "SELECT count(*) FROM skep_migrations", vec![]).await, Ok(int(2)));
    for sql in [
        "DELETE FROM skep_migrations",
        "UPDATE skep_migrations SET checksum = ''",
        "INSERT INTO skep_migrations VALUES ('', 9, '', '', 0)",
        "DROP TABLE skep_migrations",
        "ALTER TABLE skep_migrations RENAME TO mine",
        "ALTER TABLE users RENAME TO SKEP_MIGRATIONS",
    ] {
        session.begin(TransactionMode::default()).await.unwrap();
        let refused = all(&session, sql, vec![]).await;
        assert!(matches!(refused, Err(Error::Denied(_) | Error::Invalid(_))), "{sql}: {refused:?}");
        session.rollback().await.unwrap();
    }
    assert_eq!(one(&session, "SELECT count(*) FROM skep_migrations", vec![]).await, Ok(int(2)));
}
