//! Packing takes a while, and nobody waits for it: a task, which begins when the call that started it has ended.

use std::{env, thread, time::Duration};

use skep_sdk::prelude::*;

use crate::order;

#[skep::task]
#[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
pub fn pack(order: i64) -> Result<()> {
    let packing = env::var("PACKING_MS").map_or(Ok(0), |ms| ms.parse())?;
    thread::sleep(Duration::from_millis(packing));
    order::pack(order)
}
