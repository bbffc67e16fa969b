//! Every limit is hit once, and the neighbours live on. Lists go by pages.

use skep_presence::{Error, Mode, Modes, Options};

use crate::{Bench, topic};

#[test]
fn every_limit_is_kept_and_the_neighbours_live_on() {
    let options = Options { members_max: 2, owners_max: 2, tracks_max: 3, ..Options::default() };
    let bench = Bench::new(options);
    let engine = &bench.presence;
    let one = engine.owner("1").unwrap();
    assert_eq!(engine.owner("1").unwrap_err(), Error::OwnerTaken);
    let _two = engine.owner("2").unwrap();
    assert!(matches!(engine.owner("3"), Err(Error::Full(_))));
    let (a, b) = (topic("a"), topic("b"));
    engine.track("1", &a, "x", b"{}").unwrap();
    engine.track("1", &a, "y", b"{}").unwrap();
    assert!(matches!(engine.track("2", &a, "z", b"{}"), Err(Error::Full(_))), "members");
    engine.track("1", &b, "x", b"{}").unwrap();
    assert!(matches!(engine.track("1", &b, "y", b"{}"), Err(Error::Full(_))), "tracks");
    engine.track("2", &b, "y", b"{}").unwrap();
    engine.update("1", &a, "x", b"{}").unwrap();
    assert_eq!(engine.track("3", &b, "k", b"{}"), Err(Error::NoOwner));
    assert_eq!(engine.update("3", &b, "k", b"{}"), Err(Error::NoOwner));
    let long = "x".repeat(256);
    assert_eq!(engine.track("2", &b, &long, b"{}"), Err(Error::TooLarge("the key", 255)));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(4096));
    assert_eq!(engine.track("2", &b, "k", large.as_bytes()), Err(Error::TooLarge("the data", 4096)));
    assert!(matches!(engine.track("2", &b, "k", b"[]"), Err(Error::Invalid(_))));
    drop(one);
    assert_eq!((engine.count(&a), engine.count(&b)), (0, 1));
    let _again = engine.owner("1").unwrap();
}

#[test]
fn who_comes_lists_and_goes_in_a_loop_is_stopped_until_the_tick() {
    let bench = Bench::new(Options { members_max: 5, ..Options::default() });
    let (engine, a) = (&bench.presence, topic("a"));
    let _owner = engine.owner("o").unwrap();
    let round = || {
        engine.track("o", &a, "k", b"{}")?;
        assert!(engine.get(&a, "k").is_some() && engine.untrack("o", &a, "k"));
        Ok(())
    };
    assert_eq!((0..20).filter(|_| round() == Ok::<(), Error>(())).count(), 10);
    engine.track("o", &topic("b"), "k", b"{}").unwrap();
    assert_eq!(bench.tick().len(), 2);
    round().unwrap();
}

#[test]
fn lists_go_by_pages_in_the_order_of_keys() {
    let bench = Bench::new(Options { tracks_max: 5000, ..Options::default() });
    let (engine, room) = (&bench.presence, topic("room"));
    let owners = ["1", "2"].map(|id| engine.owner(id).unwrap());
    for n in (0..2500).rev() {
        engine.track("1", &room, &format!("{n:04}"), b"{}").unwrap();
    }
    engine.track("2", &room, "0007", b"{}").unwrap();
    let (mut keys, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = engine.list(&room, cursor.as_deref(), usize::MAX);
        assert!(page.members.len() <= 1000);
        keys.extend(page.members.iter().map(|member| member.key.to_string()));
        (cursor, pages) = (page.cursor, pages + 1);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((pages, engine.count(&room)), (3, 2500));
    assert!(keys.iter().enumerate().all(|(n, key)| *key == format!("{n:04}")) && keys.len() == 2500);
    let metas = engine.get(&room, "0007").unwrap().metas;
    assert_eq!(metas.iter().map(|meta| meta.owner().to_owned()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(engine.list(&room, Some("\u{10ffff} past the end"), 0), skep_presence::Page::default());
    assert_eq!(engine.list(&room, Some("2499"), 1000).members.len(), 0);
    drop(owners);
    assert!(engine.get(&room, "0007").is_none());
}

#[test]
fn a_page_is_bounded_by_metas_too() {
    let bench = Bench::new(Options::default());
    let (engine, room) = (&bench.presence, topic("room"));
    let owners: Vec<_> = (0..2500).map(|n| engine.owner(&n.to_string()).unwrap()).collect();
    for owner in &owners {
        engine.track(owner.id(), &room, "tabs", b"{}").unwrap();
    }
    engine.track("0", &room, "zoe", b"{}").unwrap();
    let page = engine.list(&room, None, 10);
    assert_eq!((page.members.len(), page.members[0].metas.len()), (1, 2500));
    let rest = engine.list(&room, page.cursor.as_deref(), 10);
    assert_eq!((&*rest.members[0].key, rest.cursor), ("zoe", None));
}

#[test]
fn topics_are_listed_with_their_counts() {
    let bench = Bench::new(Options::default());
    let engine = &bench.presence;
    let _owner = engine.owner("o").unwrap();
    for name in ["a:1", "a:2", "b:1", " "] {
        engine.track("o", &topic(name), "k", b"{}").unwrap();
    }
    engine.track("o", &"zoo/a:1".parse().unwrap(), "k", b"{}").unwrap();
    engine.track("o", &topic("gone"), "k", b"{}").unwrap();
    assert!(engine.untrack("o", &topic("gone"), "k"));
    let names = |selector: Option<&str>, cursor: Option<&str>, limit| {
        let selector = selector.map(|text| text.parse().unwrap());
        let topics = engine.topics(selector.as_ref(), cursor.map(topic).as_ref(), limit);
        topics.iter().map(|stats| stats.topic.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(None, None, 10), ["test/ ", "test/a:1", "test/a:2", "test/b:1", "zoo/a:1"]);
    assert_eq!(names(Some("test/a:*"), None, 10), ["test/a:1", "test/a:2"]);
    assert_eq!(names(Some("test/a:*"), Some("a:1"), 10), ["test/a:2"]);
    assert_eq!(names(Some("test/*"), None, 2), ["test/ ", "test/a:1"]);
    assert_eq!(names(Some("zoo/*"), Some("b"), 9), ["zoo/a:1"]);
    assert_eq!(names(Some("test/b:1"), None, 9), ["test/b:1"]);
}

#[test]
fn modes_can_change_while_running() {
    let bench = Bench::new(Options::default());
    let (engine, room) = (&bench.presence, topic("room"));
    let _owner = engine.owner("o").unwrap();
    engine.track("o", &room, "a", b"{}").unwrap();
    engine.set_modes(Modes(vec![("test/r*".parse().unwrap(), Mode::Count)]));
    assert_eq!(bench.tick_json(), ["{\"count\":1}"]);
    engine.set_modes(Modes::default());
    engine.track("o", &room, "b", b"{}").unwrap();
    assert_eq!(bench.tick()[0].1.entries(), 1);
    assert_eq!(engine.list(&room, None, 10).members.len(), 2);
}
