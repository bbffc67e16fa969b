use std::time::Duration;

use skep_sdk::test::{self, TestStream};

use super::*;

fn pay(cents: u32) -> u64 {
    let answer = test::post("/payments").form(&[("cents", &cents.to_string())]).send(app);
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    answer.json()
}

fn state(id: u64) -> State {
    test::get(format!("/payments/{id}")).send(app).json::<Payment>().state
}

fn look(id: u64) -> TestStream {
    test::get("/live").capture("id", &id.to_string()).open(&payment::topic(id), live::open)
}

#[test]
fn a_payment_is_answered_before_the_bank_is_asked() {
    let id = pay(700);
    assert_eq!((state(id), look(id).first().len()), (State::Pending, 0));
    assert_eq!(test::perform_jobs(), 1);
    assert_eq!(state(id), State::Paid);
    let told = &test::published()[0];
    assert_eq!(
        (told.topic(), told.event(), told.text().unwrap()),
        ("payments:1", Some("outcome"), r#"{"cents":700,"state":"Paid"}"#)
    );
    // Who comes late is told what it missed.
    assert_eq!(look(id).first()[0].text(), told.text().unwrap());
}

#[test]
fn what_the_bank_refuses_is_told_too() {
    let id = pay(10_001);
    test::perform_jobs();
    assert_eq!(state(id), State::Refused);
    assert!(test::published()[0].text().unwrap().contains("Refused"));
}

#[test]
fn a_bank_that_is_away_is_asked_again() {
    double::away(2);
    let id = pay(700);
    for _ in 0..2 {
        test::perform_jobs();
        assert_eq!((state(id), test::published().len()), (State::Pending, 0));
        test::advance(Duration::from_secs(60));
    }
    test::perform_jobs();
    assert_eq!(state(id), State::Paid);
}

#[test]
fn a_payment_that_is_not_there_is_not_found() {
    assert_eq!(test::get("/payments/7").send(app).status(), StatusCode::NOT_FOUND);
    assert_eq!(look(7).refused().status(), StatusCode::NOT_FOUND);
}
