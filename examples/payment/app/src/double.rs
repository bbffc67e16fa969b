//! A bank for native tests: it is away as often as it is told, and has no more than 100 euros for anybody.

use std::cell::Cell;

use skep_sdk::prelude::*;

thread_local! {
    static AWAY: Cell<u32> = const { Cell::new(0) };
}

/// So many times it does not answer.
#[cfg(test)]
pub fn away(times: u32) {
    AWAY.set(times);
}

pub fn charge(_id: u64, cents: u32) -> Result<StatusCode> {
    if let Some(times) = AWAY.get().checked_sub(1) {
        AWAY.set(times);
        return Err("the bank does not answer".into());
    }
    Ok(if cents > 10_000 { StatusCode::PAYMENT_REQUIRED } else { StatusCode::CREATED })
}
