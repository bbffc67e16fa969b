#![deny(warnings, missing_docs)]
//! One of each, at the root and in a module, private and public.

use skep_sdk::{prelude::*, test};

/// It stands beside a handler and a task.
#[skep::subscribe("orders:*")]
fn on_order(topic: &str, count: u32) -> Result<()> {
    double::start(&(count, topic.to_owned()))?;
    Ok(())
}

/// A task may be public, documented and used like any function.
#[skep::task]
pub fn double((count, topic): (u32, String)) -> std::result::Result<u32, std::num::ParseIntError> {
    pubsub::publish(&format!("doubled:{topic}"), &(count * 2)).map_or(Ok(0), |_| Ok(count * 2))
}

#[skep::event_stream]
fn open(Query(user): Query<std::collections::HashMap<String, String>>, opening: Opening) -> Result<EventStream> {
    user.get("user").reject(StatusCode::FORBIDDEN, "who are you?")?;
    Ok(EventStream::new().first(Event::json("topic", &opening.topic)?))
}

fn main() {
    test::deliver(on_order, "orders:7", &4).unwrap();
    assert_eq!((test::published()[0].topic(), test::started()), ("doubled:orders:7", vec!["double".to_owned()]));
    assert_eq!(double((1, "a".to_owned())), Ok(2));
    assert_eq!(test::get("/?user=maja").open("t", open).first()[0].text(), "\"t\"");
    assert_eq!(test::get("/").open("t", open).refused().status(), StatusCode::FORBIDDEN);
}
