//! Publishing and listening, as far as one plugin can see them.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::{CapabilityError, Result, pubsub, test};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
}

fn why<T>(result: Result<T>) -> CapabilityError {
    result.map(|_| ()).unwrap_err().capability().expect("a refusal of the host").clone()
}

#[test]
fn what_is_published_is_json_with_what_was_said_of_it() {
    pubsub::publish("orders:7", &Order { id: 7 }).unwrap();
    pubsub::to("orders:8").event("paid").local().publish_bytes("<td>").unwrap();
    let published = test::published();
    assert_eq!((published[0].bytes(), published[0].event(), published[0].id()), (&b"{\"id\":7}"[..], None, None));
    assert_eq!((published[0].skip_own, published[0].local), (false, false));
    assert_eq!((published[1].text().unwrap(), published[1].event()), ("<td>", Some("paid")));
    assert_eq!((published[1].skip_own, published[1].local), (false, true));
}

#[test]
fn what_is_no_topic_is_refused_with_its_name() {
    for topic in ["", "a*", "a\nb", &"x".repeat(256)] {
        assert!(matches!(why(pubsub::publish(topic, &1)), CapabilityError::Invalid(_)), "{topic}");
    }
    assert!(matches!(why(pubsub::to("a").event("a\nb").publish(&1)), CapabilityError::Invalid(_)));
    test::topic("shop/*").deny();
    let error = pubsub::publish("shop/a", &1).unwrap_err();
    assert!(error.to_string().starts_with("publishing to `shop/a`: denied: "), "{error}");
}

#[test]
fn a_log_has_what_is_behind_an_id() {
    assert_eq!(why(pubsub::since("orders:7", None, 10)), CapabilityError::NotFound);
    test::topic("orders:*").retain();
    for id in 1..=3 {
        assert_eq!(pubsub::publish("orders:7", &Order { id }).unwrap(), Some(id.into()));
    }
    pubsub::publish("orders:8", &Order { id: 9 }).unwrap();
    let ids = |after: Option<u64>, limit| {
        let history = pubsub::since("orders:7", after, limit).unwrap();
        history.messages.iter().map(|message| message.id().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((ids(None, 2), ids(Some(1), 10), ids(Some(3), 10)), (vec![1, 2], vec![2, 3], vec![]));
}

#[test]
fn a_subscriber_has_one_of_four_shapes() {
    fn value(order: Order) -> Result<()> {
        assert_eq!(order, Order { id: 7 });
        Ok(())
    }
    fn topic_and_value(topic: &str, order: Order) -> Result<()> {
        assert_eq!((topic, order), ("orders:7", Order { id: 7 }));
        Ok(())
    }
    fn message(message: Message) -> Result<(), std::io::Error> {
        assert_eq!((message.topic(), message.text().unwrap()), ("orders:7", "{\"id\":7}"));
        Ok(())
    }
    fn topic_and_message(topic: &str, message: Message) -> Result<()> {
        assert_eq!(message.topic(), topic);
        Ok(())
    }
    fn batch(messages: &[Message]) -> Result<()> {
        assert_eq!(messages.len(), 1);
        Ok(())
    }
    let order = Order { id: 7 };
    test::deliver(value, "orders:7", &order).unwrap();
    test::deliver(topic_and_value, "orders:7", &order).unwrap();
    test::deliver(message, "orders:7", &order).unwrap();
    test::deliver(topic_and_message, "orders:7", &order).unwrap();
    test::deliver(batch, "orders:7", &order).unwrap();
}

#[test]
fn a_message_that_does_not_decode_is_an_error_with_topic_and_reason() {
    let on_order = |_: Order| -> Result<()> { Ok(()) };
    let error = test::deliver(on_order, "orders:7", &serde_json::json!({"id": "x"})).unwrap_err().to_string();
    assert!(error.starts_with("reading the message of `orders:7` as `"), "{error}");
    assert!(error.contains("Order`: field `id`: invalid type: string \"x\", expected u32"), "{error}");
    let error = test::deliver_all(on_order, [test::message("orders:7", "honey")]).unwrap_err().to_string();
    assert!(error.contains("expected value at line 1"), "{error}");
    assert!(test::message("a", [0xff]).text().is_err());
}

#[test]
fn one_bad_message_of_a_batch_does_not_keep_the_others_from_being_heard() {
    let on_number = |number: u32| -> Result<()> {
        pubsub::publish("seen", &number)?;
        Ok(())
    };
    let messages = ["1", "x", "3", "y"].map(|text| test::message("numbers", text));
    let error = test::deliver_all(on_number, messages).unwrap_err().to_string();
    assert!(error.starts_with("2 of 4 messages failed, the first: reading the message of `numbers`"), "{error}");
    let seen: Vec<u32> = test::published().iter().map(|message| message.json().unwrap()).collect();
    assert_eq!(seen, [1, 3]);
}
