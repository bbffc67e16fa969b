//! A plugin that only listens: it has no HTTP export, and its manifest no routes. What it hears on `quiet:*`, its own or
//! that of `pubsub-probe`, it publishes on `heard`, event `heard`, as `TOPIC TEXT`.

use skep_sdk::prelude::*;

#[skep::subscribe("quiet:*")]
fn on_quiet(message: Message) -> Result<()> {
    let text = format!("{} {}", message.topic(), message.text()?);
    pubsub::to("heard").event("heard").publish_bytes(text)?;
    Ok(())
}

#[test]
fn what_is_heard_is_told() {
    let message = skep_sdk::test::message("quiet:7", "honey");
    skep_sdk::test::deliver_all(on_quiet, [message]).unwrap();
    assert_eq!(skep_sdk::test::published()[0].text().unwrap(), "quiet:7 honey");
}
