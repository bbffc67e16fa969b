//! A mail server for native tests, which answers as it is told.

use std::{cell::RefCell, collections::VecDeque};

use skep_sdk::{jobs::JobId, prelude::*};

thread_local! {
    static ANSWERS: RefCell<VecDeque<StatusCode>> = RefCell::default();
    static SENT: RefCell<Vec<String>> = RefCell::default();
}

/// What it answers, one after the other; then it takes every mail.
#[cfg(test)]
pub fn answers(answers: impl IntoIterator<Item = StatusCode>) {
    ANSWERS.with_borrow_mut(|all| all.extend(answers));
}

/// Mails that it took.
#[cfg(test)]
pub fn sent() -> Vec<String> {
    SENT.take()
}

pub fn send(id: JobId, to: &str, text: &str) -> Result<StatusCode> {
    let answer = ANSWERS.with_borrow_mut(VecDeque::pop_front).unwrap_or(StatusCode::ACCEPTED);
    if answer == StatusCode::ACCEPTED {
        SENT.with_borrow_mut(|sent| sent.push(format!("{id} {to}: {text}")));
    }
    Ok(answer)
}
