//! A small shop. It never sells what it has not got, and there is no order without a receipt.

mod order;
mod receipt;

use std::collections::BTreeMap;

use order::{NewOrder, Order};
use serde::Deserialize;
use skep_sdk::prelude::*;

#[skep::http]
fn app() -> Router {
    Router::new().get("/stock", stock).put("/stock/{item}", restock).post("/orders", buy).get("/orders/{id}", show)
}

/// What there is, as it is kept: by item.
fn stock() -> Result<Json<BTreeMap<String, u32>>> {
    let all = store::list::<u32>(order::STOCK).map(|item| {
        let item = item?;
        Ok((item.key.as_str().trim_start_matches(order::STOCK).to_owned(), item.value))
    });
    Ok(Json(all.collect::<Result<_>>()?))
}

#[derive(Deserialize)]
struct Delivery {
    count: u32,
}

fn restock(Path(item): Path<String>, Json(delivery): Json<Delivery>) -> Result<Json<u32>> {
    let add = |there: Option<u32>| Some(there.unwrap_or(0).saturating_add(delivery.count));
    Ok(Json(store::update(&order::stock(&item), add)?.unwrap_or(0)))
}

fn buy(Json(new): Json<NewOrder>) -> Result<(StatusCode, Json<Order>)> {
    Ok((StatusCode::CREATED, Json(order::place(new)?)))
}

fn show(Path(id): Path<u64>) -> Result<Json<Order>> {
    Ok(Json(store::get(&order::key(id))?.status(StatusCode::NOT_FOUND)?))
}

/// Whoever listens hears of each order that is placed, and of none that is not.
#[skep::event_stream]
fn live() -> Result<EventStream> {
    Ok(EventStream::new())
}

#[cfg(test)]
mod tests;
