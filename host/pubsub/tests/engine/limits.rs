use std::sync::{Arc, Mutex};

use skep_pubsub::{Error, Fabric, Limits, Message, Options, PubSub, Publish, Retain, SubscribeOptions, TopicInfo};
use skep_types::ByteSize;

use crate::{clock, engine, publish, read, text, topic};

#[test]
fn what_passes_a_limit_is_refused_and_the_rest_goes_on() {
    let limits = Limits { topics_max: 2, subscriptions_max: 3, message_bytes_max: ByteSize(4), ..Limits::default() };
    let (pubsub, _) = engine(limits, &[("r/*", Retain::default())]);
    let listen = |to: &str| pubsub.subscribe(to.parse().unwrap(), &SubscribeOptions::default());
    let mut one = listen("a/1").unwrap();
    let two = listen("a/2").unwrap();
    assert_eq!(listen("a/3").unwrap_err(), Error::Full("too many topics"));
    assert_eq!(pubsub.publish(&topic("r/t"), text("x")).unwrap_err(), Error::Full("too many topics"));
    let _prefix = listen("a/*").unwrap();
    assert_eq!(listen("a/1").unwrap_err(), Error::Full("too many subscriptions"));
    assert_eq!(pubsub.publish(&topic("a/1"), text("12345")).unwrap_err(), Error::TooLarge(4));
    let broken = Publish { event: Some("a\nid: 1".into()), ..text("x") };
    assert!(matches!(pubsub.publish(&topic("a/1"), broken), Err(Error::Invalid(_))));
    assert_eq!(publish(&pubsub, "a/1", "1234").receivers, 2);
    assert_eq!(read(&mut one), ["1234"]);
    drop(two);
    assert!(listen("a/3").is_ok() && publish(&pubsub, "r/t", "x").id.is_some());
}

#[test]
fn an_operator_sees_topics_page_by_page() {
    let (pubsub, _) = engine(Limits::default(), &[("a/log", Retain::default())]);
    let listen = |to: &str| pubsub.subscribe(to.parse().unwrap(), &SubscribeOptions::default()).unwrap();
    let all = [listen("a/t"), listen("a/t"), listen("a/u"), listen("b/t"), listen("a/*")];
    publish(&pubsub, "a/log", "x");
    publish(&pubsub, "a/t", "x");
    let names = |page: &[TopicInfo]| page.iter().map(|info| info.topic.to_string()).collect::<Vec<_>>();
    let page = pubsub.topics("", None, 3);
    assert_eq!(names(&page), ["a/log", "a/t", "a/u"]);
    assert_eq!((page[0].subscribers, page[0].retained_messages, page[0].published), (1, 1, 1));
    assert_eq!((page[1].subscribers, page[1].retained_messages, page[1].published), (3, 0, 1));
    assert_eq!(names(&pubsub.topics("", Some(&page[2].topic), 3)), ["b/t"]);
    assert_eq!(names(&pubsub.topics("a/t", None, 3)), ["a/t"]);
    assert!(pubsub.topics("", None, 0).is_empty());
    let stats = pubsub.stats();
    assert_eq!((stats.published, stats.delivered, stats.subscriptions, stats.topics), (2, 4, all.len(), 4));
}

#[derive(Default)]
struct Recorded(Mutex<Vec<Arc<Message>>>);

impl Fabric for Recorded {
    fn published(&self, message: &Arc<Message>) {
        self.0.lock().unwrap().push(Arc::clone(message));
    }
}

#[test]
fn the_fabric_hears_what_is_not_local_and_what_comes_from_it_stays_here() {
    let fabric = Arc::new(Recorded::default());
    let here = PubSub::new(Options { fabric: Some(Arc::clone(&fabric) as Arc<_>), ..Options::new(clock()) });
    let mut listener = here.subscribe("a/t".parse().unwrap(), &SubscribeOptions::default()).unwrap();
    publish(&here, "a/t", "1");
    publish(&here, "a/nobody", "2");
    here.publish(&topic("a/t"), Publish { local: true, ..text("3") }).unwrap();
    let sent = std::mem::take(&mut *fabric.0.lock().unwrap());
    assert_eq!(sent.iter().map(|message| &message.data[..]).collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(here.deliver_remote(&sent[0]).unwrap().receivers, 1);
    assert!(fabric.0.lock().unwrap().is_empty());
    assert_eq!(read(&mut listener), ["1", "3", "1"]);
}
