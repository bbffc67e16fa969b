//! The job that sends the mail.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::mail;

pub const HOUR: Duration = Duration::from_secs(3600);

#[derive(Serialize, Deserialize)]
pub struct SignUp {
    pub address: String,
}

/// Every error is tried again after a while, eight times in all. Where the function knows better, it says so.
#[skep::job(queue = "mail", max_attempts = 8, timeout = "10s")]
pub fn welcome(to: SignUp, job: &Job) -> JobResult {
    // The job may be done twice, if the host dies before it is written that it is done. The mail server knows mails by
    // their id, and sends each of them once.
    match mail::send(job.id, &to.address, "Welcome to the hive!").context("asking the mail server")? {
        StatusCode::ACCEPTED => Ok(()),
        // It will never take this one.
        StatusCode::UNPROCESSABLE_ENTITY => Err(JobError::cancel(format!("there is no address `{}`", to.address))),
        // It is busy: a second, then two, then three.
        StatusCode::SERVICE_UNAVAILABLE => {
            Err(JobError::retry_in(Duration::from_secs(job.attempt.into()), "the mail server is busy"))
        }
        other => Err(format!("the mail server answered {other}").into()),
    }
}
