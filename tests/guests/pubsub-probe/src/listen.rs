//! What it hears.
//!
//! | subscription | topics | does |
//! |---|---|---|
//! | `on_numbers` | `numbers:*` | publishes `TOPIC TEXT` on `seen`, event `seen`, as many as come in one call joined by `+` |
//! | `on_poison` | `poison:*` | dies as the text says: `trap`, `spin`, `oom`, `panic`, `host-panic`, `err`, `sleep`, `crash` (its loop, too); `unless-mended` is an error unless the variable `MENDED` is set; anything else is published on `seen` |
//! | `echo_own` | `loop:*` | publishes what it heard to the same topic, not to itself |
//! | `echo_all` | `endless:*` | the same, to itself too, unless the text is `stop` |
//! | `on_json` | `json:*` | takes a number; anything else does not decode |
//! | `keep` | `keep:*` | appends ` TEXT` to the entry of the topic in the table `seen` |

#[skep_sdk::skep::subscribers]
mod listeners {
    use std::time::Duration;

    use skep_sdk::prelude::*;

    #[subscribe("numbers:*")]
    fn on_numbers(messages: &[Message]) -> Result<()> {
        let topic = messages.first().map_or("", Message::topic);
        let texts = messages.iter().map(Message::text).collect::<Result<Vec<_>>>()?;
        seen(topic, &texts.join("+"))
    }

    #[subscribe("poison:*")]
    #[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
    fn on_poison(topic: &str, message: Message) -> Result<()> {
        match message.text()? {
            "trap" => hostile_common::trap(),
            "spin" => hostile_common::spin(),
            "oom" => hostile_common::bomb(),
            "panic" => hostile_common::panic(),
            "host-panic" => hostile_common::host_panic(),
            "sleep" => std::thread::sleep(Duration::from_secs(3600)),
            // The harness has the host panic where it sets such a message aside.
            "crash" => return Err("panic in the host".into()),
            "unless-mended" if std::env::var_os("MENDED").is_none() => return Err("not mended yet".into()),
            "err" => return Err("the message asked for an error".into()),
            text => return seen(topic, text),
        }
        Ok(())
    }

    #[subscribe("loop:*")]
    fn echo_own(message: Message) -> Result<()> {
        pubsub::to(message.topic()).event("echo").skip_own().publish_bytes(message.bytes())?;
        Ok(())
    }

    #[subscribe("endless:*")]
    fn echo_all(message: Message) -> Result<()> {
        if message.text()? != "stop" {
            pubsub::to(message.topic()).event("echo").publish_bytes(message.bytes())?;
        }
        Ok(())
    }

    #[subscribe("json:*")]
    fn on_json(topic: &str, number: i64) -> Result<()> {
        seen(topic, &number.to_string())
    }

    #[subscribe("keep:*")]
    fn keep(message: Message) -> Result<()> {
        let table = cache::bucket("seen")?;
        // One topic's messages come one after the other, so nobody writes in between.
        let mut all = table.get_bytes(message.topic())?.unwrap_or_default();
        all.push(b' ');
        all.extend_from_slice(message.bytes());
        table.put_bytes(message.topic(), &all, cache::Ttl::Standard)
    }

    fn seen(topic: &str, text: &str) -> Result<()> {
        pubsub::to("seen").event("seen").publish_bytes(format!("{topic} {text}"))?;
        Ok(())
    }
}
