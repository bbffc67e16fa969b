//! Takes payments. The bank needs three seconds for each, which is nothing that a request should wait for.

mod bank;
#[cfg(not(target_arch = "wasm32"))]
mod double;
mod live;
mod payment;

use payment::{Payment, State, charge};
use serde::Deserialize;
use skep_sdk::prelude::*;

#[skep::http]
fn app() -> Router {
    Router::new().get("/", || Html(include_str!("../web/page.html"))).post("/payments", pay).get("/payments/{id}", show)
}

#[derive(Deserialize)]
struct NewPayment {
    cents: u32,
}

/// Answers at once. The payment and the job that charges it are written together: neither is there without the other.
fn pay(Form(new): Form<NewPayment>) -> Result<impl IntoResponse> {
    let id = u64::try_from(store::sum("payments", 1)?)?;
    let payment = Payment { cents: new.cents, state: State::Pending };
    store::atomic().set(payment::key(id), &payment).enqueue(charge::job(&id)).commit()?;
    Ok((StatusCode::ACCEPTED, [("location", format!("/payments/{id}"))], Json(id)))
}

/// For whoever would rather ask than be told.
fn show(Path(id): Path<u64>) -> Result<Json<Payment>> {
    Ok(Json(store::get(&payment::key(id))?.status(StatusCode::NOT_FOUND)?))
}

#[cfg(test)]
mod tests;
