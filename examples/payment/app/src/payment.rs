//! The job that asks the bank, and what becomes of a payment.

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::bank;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    pub cents: u32,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum State {
    Pending,
    Paid,
    Refused,
}

pub fn key(id: u64) -> String {
    format!("payment:{id}")
}

/// Where the outcome is published, for the page that waits for it. The manifest's route listens there.
pub fn topic(id: u64) -> String {
    format!("payments:{id}")
}

/// It may run twice, if the host dies before it is written that it is done. So the bank is told the payment's id, and makes
/// each charge once. A bank that is away is an error: the job is tried again.
#[skep::job(queue = "bank", timeout = "10s")]
pub fn charge(id: u64) -> JobResult {
    let key = key(id);
    let payment = store::get_item::<Payment>(&key)?.context("looking for the payment").or_cancel()?;
    if payment.value.state != State::Pending {
        return Ok(());
    }
    let cents = payment.value.cents;
    let state = match bank::charge(id, cents).context("asking the bank")? {
        StatusCode::CREATED => State::Paid,
        StatusCode::PAYMENT_REQUIRED => State::Refused,
        other => return Err(format!("the bank answered {other}").into()),
    };
    let settled = Payment { cents, state };
    // The page hears of it when it is durable, and not otherwise.
    store::atomic().check(&payment).set(&key, &settled).publish_event(topic(id), "outcome", &settled).commit()?;
    Ok(())
}
