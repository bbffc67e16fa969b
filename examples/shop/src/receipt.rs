//! The receipt is a job of its own: whoever buys does not wait for it, and it is written whatever happens.

use skep_sdk::prelude::*;

use crate::order::{self, Order};

/// Where it would send a mail, it writes the receipt into the order. Done twice it says the same: jobs are done at least once.
#[skep::job]
pub fn receipt(id: u64) -> JobResult {
    store::update(&order::key(id), |order: Option<Order>| {
        order.map(|order| {
            let receipt = format!("{} x {}, to {}", order.count, order.item, order.address);
            Order { receipt: Some(receipt), ..order }
        })
    })?;
    Ok(())
}
