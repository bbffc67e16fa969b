//! Jobs for measurements, by the SDK: `/enqueue?n=COUNT` enqueues so many in one commit, `/each?n=COUNT` in a commit each, and `/round` enqueues one in the queue
//! `quick` and waits for its end. The jobs do nothing.

use std::time::Duration;

use skep_sdk::prelude::*;

/// More than any of them takes.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(serde::Deserialize)]
struct Order {
    n: u32,
}

#[skep::http]
fn app() -> Router {
    Router::new().get("/enqueue", enqueue).get("/each", each).get("/round", round)
}

fn enqueue(Query(order): Query<Order>) -> Result<String> {
    let jobs = jobs::enqueue_all((0..order.n).map(|number| nothing::job(&number)))?;
    Ok(jobs.len().to_string())
}

fn each(Query(order): Query<Order>) -> Result<String> {
    for number in 0..order.n {
        nothing::job(&number).enqueue()?;
    }
    Ok(order.n.to_string())
}

fn round() -> Result<String> {
    let job = nothing::job(&0).queue("quick").enqueue()?;
    let status = jobs::await_end(job.id, PATIENCE)?;
    Ok(format!("{:?}", status.state))
}

#[skep::job(queue = "bulk")]
fn nothing(_number: u32) -> JobResult {
    Ok(())
}
