use std::time::Duration;

use skep_sdk::test::{self, TestResponse};

use super::*;

fn sign_up(address: &str) -> TestResponse {
    test::post("/sign-ups").form(&[("address", address)]).send(app)
}

fn shown(answer: &TestResponse) -> String {
    test::get(answer.header("location").unwrap()).send(app).text().to_owned()
}

#[test]
fn a_mail_is_sent_in_the_end_and_once() {
    double::answers([StatusCode::SERVICE_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE]);
    let answer = sign_up(" maja@bees.example ");
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(shown(&sign_up("maja@bees.example")), "Your mail waits to be sent. Attempts: 0 of 8.\n");
    for (attempt, wait_s) in [(1, 1), (2, 2)] {
        assert_eq!(test::perform_jobs(), 1);
        assert_eq!(shown(&answer), format!("Your mail waits to be sent. Attempts: {attempt} of 8.\n"));
        test::advance(Duration::from_secs(wait_s));
    }
    assert_eq!(test::perform_jobs(), 1);
    assert_eq!(shown(&answer), "Your mail is on its way. Attempts: 3.\n");
    assert_eq!(double::sent(), ["1 maja@bees.example: Welcome to the hive!"]);
}

#[test]
fn what_nobody_can_send_is_not_tried_again() {
    double::answers([StatusCode::UNPROCESSABLE_ENTITY]);
    let answer = sign_up("nobody@bees.example");
    test::perform_jobs();
    assert_eq!(shown(&answer), "We could not send you a mail. Is the address right?\n");
    assert_eq!(test::jobs()[0].last_error.as_deref(), Some("there is no address `nobody@bees.example`"));
}

#[test]
fn a_mail_server_that_is_broken_is_asked_eight_times() {
    double::answers([StatusCode::IM_A_TEAPOT; 8]);
    let answer = sign_up("maja@bees.example");
    for _ in 0..8 {
        assert_eq!(test::perform_jobs(), 1);
        test::advance(greeting::HOUR);
    }
    assert_eq!(test::jobs()[0].state, State::Discarded);
    assert!(shown(&answer).starts_with("We could not"));
}

#[test]
fn what_is_no_address_is_said_at_once() {
    assert_eq!(sign_up("maja").error_message(), "an address has an @");
    assert_eq!(test::get("/sign-ups/7").send(app).status(), StatusCode::NOT_FOUND);
}
