use std::time::Duration;

use skep_sdk::test::{self, TestResponse};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Logs in and returns the session's id.
fn log_in(name: &str) -> String {
    let answer = test::post("/login").form(&[("name", name)]).send(app);
    assert_eq!((answer.status(), answer.header("location")), (StatusCode::SEE_OTHER, Some("/")));
    let cookie = answer.header("set-cookie").unwrap();
    let (id, attributes) = cookie.strip_prefix("session=").unwrap().split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/");
    id.to_owned()
}

fn visit(id: &str) -> TestResponse {
    test::get("/").cookie("session", id).send(app)
}

#[test]
fn a_session_greets_its_user_until_the_logout() {
    let (maja, willi) = (log_in(" maja "), log_in("willi"));
    assert_eq!((maja.len(), maja == willi), (32, false));
    assert_eq!(visit(&maja).text(), "Hello maja, visit 1.\n");
    assert_eq!(visit(&maja).text(), "Hello maja, visit 2.\n");
    assert_eq!(visit(&willi).text(), "Hello willi, visit 1.\n");
    let answer = test::post("/logout").cookie("session", &maja).send(app);
    assert!(answer.header("set-cookie").unwrap().starts_with("session=; Path=/; Max-Age=0"));
    assert_eq!(visit(&maja).error_code(), "no-session");
    assert_eq!(visit(&willi).status(), StatusCode::OK);
}

#[test]
fn a_session_ends_by_its_time() {
    // As skep.toml says it.
    test::bucket("sessions").ttl(30 * MINUTE).idle(10 * MINUTE);
    let (idle, busy) = (log_in("idle"), log_in("busy"));
    for _ in 0..3 {
        test::advance(9 * MINUTE);
        assert_eq!(visit(&busy).status(), StatusCode::OK);
    }
    assert_eq!(visit(&idle).status(), StatusCode::UNAUTHORIZED);
    test::advance(3 * MINUTE);
    assert_eq!(visit(&busy).status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn strangers_and_bad_names_are_told_why() {
    for answer in [test::get("/").send(app), visit("guessed"), visit(&"x".repeat(2000))] {
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.error_message(), "log in first: POST /login with your name");
    }
    for name in ["", "  ", &"x".repeat(41)] {
        let answer = test::post("/login").form(&[("name", name)]).send(app);
        assert_eq!(answer.error_message(), "a name has 1 to 40 characters");
    }
}

#[test]
fn the_board_is_ranked_once_in_a_while() {
    test::bucket("board").stale(MINUTE);
    let (maja, willi) = (log_in("maja"), log_in("willi"));
    let board = || test::get("/board").send(app).text().to_owned();
    let _ = visit(&willi);
    assert_eq!(board(), "1. willi: 1\n");
    let _ = visit(&maja);
    let _ = visit(&maja);
    assert_eq!(board(), "1. willi: 1\n");
    test::advance(Duration::from_secs(15));
    assert_eq!(board(), "1. maja: 2\n2. willi: 1\n");
}

#[test]
fn the_warmer_ranks_before_anybody_asks() {
    let board = || test::get("/board").send(app).text().to_owned();
    let maja = log_in("maja");
    // Nothing to rank yet, and nothing that hides the first visit.
    board::warm().unwrap();
    let _ = visit(&maja);
    board::warm().unwrap();
    let _ = visit(&maja);
    assert_eq!(board(), "1. maja: 1\n");
    // As often as skep.toml says: the board is never missing, and never older than that.
    for visits in 2..5 {
        test::advance(Duration::from_secs(10));
        board::warm().unwrap();
        let _ = visit(&maja);
        assert_eq!(board(), format!("1. maja: {visits}\n"));
    }
}
