//! Orders, and the one commit that places one.

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::receipt::receipt;

pub const STOCK: &str = "stock:";

#[derive(Serialize, Deserialize)]
pub struct NewOrder {
    pub item: String,
    pub count: u32,
    pub address: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub id: u64,
    pub item: String,
    pub count: u32,
    pub address: String,
    pub receipt: Option<String>,
}

pub fn key(id: u64) -> String {
    format!("order:{id}")
}

pub fn stock(item: &str) -> String {
    format!("{STOCK}{item}")
}

/// Takes the goods, keeps the order, has the receipt sent and tells whoever listens: all of it or nothing.
///
/// What was read of the stock is checked when it is committed. If somebody bought the same meanwhile, nothing is written and
/// this runs again with what is left; so two can never buy the last one.
pub fn place(new: NewOrder) -> Result<Order> {
    if new.count == 0 {
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "an order is of one at least"));
    }
    // A number that is taken and not used does no harm.
    let id = u64::try_from(store::sum("orders", 1)?)?;
    let NewOrder { item, count, address } = new;
    let order = Order { id, item, count, address, receipt: None };
    store::transaction(|tx| {
        let stock = stock(&order.item);
        let there: u32 = tx.get(&stock)?.reject(StatusCode::NOT_FOUND, "we do not have that")?;
        let left = there.checked_sub(order.count).reject(StatusCode::CONFLICT, "we do not have so many")?;
        tx.set(&stock, &left);
        tx.set(key(order.id), &order);
        tx.enqueue(receipt::job(&order.id));
        tx.publish_event("orders:new", "order", &order);
        Ok::<_, Error>(())
    })?;
    Ok(order)
}
