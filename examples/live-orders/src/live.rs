//! Who looks, and what they see first. From then on the host writes to them what is published.

use serde::Deserialize;
use skep_sdk::prelude::*;

use crate::order::{self, Order, TOPIC};

/// Where the host counts who looks.
const VIEWERS: &str = "viewers";

/// A browser comes. It gets all orders, and what is published after the newest of them; one that was away for a moment
/// gets only what it missed.
#[skep::event_stream]
pub fn open(opening: Opening) -> Result<EventStream> {
    // It counts until its stream ends, however that ends.
    presence::track(&opening.stream, VIEWERS, opening.stream.as_str(), &json!({}))?;
    let stream = EventStream::new().first(Event::html("viewers", looking(presence::count(VIEWERS)?)));
    if can_go_on(&opening)? {
        return Ok(stream);
    }
    let (orders, told) = order::all()?;
    let rows: String = orders.iter().map(Order::row).collect();
    let stream = stream.first(Event::html("orders", rows));
    Ok(match told {
        Some(message) => stream.after(message),
        None => stream,
    })
}

/// Whether the topic's log still has all that came after the last message that the browser saw.
fn can_go_on(opening: &Opening) -> Result<bool> {
    match opening.last_event_id.as_deref().and_then(|id| id.parse::<u64>().ok()) {
        Some(seen) => Ok(pubsub::since(&opening.topic, seen, 0)?.complete),
        None => Ok(false),
    }
}

/// What the host publishes when somebody comes or goes.
#[derive(Deserialize)]
pub struct Viewers {
    count: u64,
}

/// Makes HTML of it, which is all that the page understands. Each node hears of all viewers, and tells its own.
#[skep::subscribe("viewers")]
pub fn on_viewers(viewers: Viewers) -> Result<()> {
    pubsub::to(TOPIC).event("viewers").local().publish_bytes(looking(viewers.count))?;
    Ok(())
}

fn looking(count: u64) -> String {
    format!("{count} looking")
}
