//! Processes as the double runs them. The macros' refusals are in `macros/tests/ui`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    CallError, Ctx, Down, Exit, Format, Handle, Pid, Reason, Reply, ReplyTo, Saved, StartError, Target, Unhandled,
    Untyped,
};
use crate::{CapabilityError, Error, Result, codec, jobs, presence, process, pubsub, skep, store, test};

const SECOND: Duration = Duration::from_secs(1);

/// Does as it is told, and remembers what it heard.
#[derive(Serialize, Deserialize)]
struct Told {
    count: u64,
    heard: Vec<String>,
    waiting: Vec<ReplyTo<u64>>,
}

#[derive(Serialize, Deserialize)]
enum Say {
    Add(u64),
    Heard,
    Fail,
    Panic,
    Later,
    Forget,
    Stop(String),
    Hibernate,
    After(u64, String),
    Every(u64, String),
    Cancel(process::Timer),
    Call(Target, Box<Say>),
    Monitor(Target),
    Link(Target, bool),
    Subscribe(String),
    Track(String),
    Stage(String),
}

#[skep::processes]
mod kinds {
    use super::*;

    #[process]
    impl Told {
        fn init(from: u64, ctx: &mut Ctx) -> Result<Self> {
            match from {
                13 => Err("an unlucky number".into()),
                14 => panic!("worse"),
                15 => {
                    ctx.stop("normal");
                    Ok(Told { count: from, heard: Vec::new(), waiting: Vec::new() })
                }
                _ => Ok(Told { count: from, heard: Vec::new(), waiting: Vec::new() }),
            }
        }

        fn call(&mut self, say: Say, ctx: &mut Ctx) -> Result<Reply<u64>> {
            let mut own = 0;
            match say {
                Say::Add(by) => self.count += by,
                Say::Heard => return Ok(Reply::Now(self.heard.len() as u64)),
                Say::Fail => return Err("no bees".into()),
                Say::Panic => panic!("the hive fell"),
                Say::Later => {
                    self.waiting.push(ctx.reply_later());
                    return Ok(Reply::Later);
                }
                Say::Forget => return Ok(Reply::Later),
                Say::Stop(reason) => ctx.stop(reason),
                Say::Hibernate => ctx.hibernate(),
                Say::After(ms, text) => own = ctx.send_after(Duration::from_millis(ms), &text)?.0,
                Say::Every(ms, text) => own = ctx.send_every(Duration::from_millis(ms), &text)?.0,
                Say::Cancel(timer) => own = ctx.cancel(timer)?.into(),
                Say::Call(to, say) => return Ok(Reply::Now(process::call::<Told>(to, &say)?)),
                Say::Monitor(to) => own = ctx.monitor(to)?.0,
                Say::Link(to, trap) => {
                    ctx.trap_exits(trap)?;
                    ctx.link(to)?;
                }
                Say::Subscribe(topic) => ctx.subscribe(&topic)?,
                Say::Track(key) => drop(ctx.track("lobby", &key, &json!({}))?),
                Say::Stage(key) => ctx.atomic().check_absent(&key).set(&key, &self.count).stage()?,
            }
            Ok(Reply::Now(if own > 0 { own } else { self.count }))
        }

        fn cast(&mut self, answer: u64) -> Result<()> {
            self.heard.push(format!("cast {answer}"));
            self.waiting
                .drain(..)
                .try_for_each(|reply| if answer > 0 { reply.send(&answer) } else { reply.fail("none") })
        }

        fn info(&mut self, text: String) {
            self.heard.push(text);
        }

        fn timer(&mut self, text: String, ctx: &mut Ctx) -> Result<()> {
            self.heard.push(format!("{text} {}", ctx.timer().map_or(0, |timer| timer.0)));
            Ok(())
        }

        fn published(&mut self, topic: &str, number: u32) {
            self.heard.push(format!("{topic} {number}"));
        }

        fn down(&mut self, down: Down) {
            self.heard.push(format!("down {} {}", down.pid, down.reason));
        }

        fn exit(&mut self, exit: Exit) {
            self.heard.push(format!("exit {} {}", exit.pid, exit.reason));
        }

        fn terminate(&mut self, reason: &Reason) {
            store::set("ended", reason.as_str()).unwrap();
        }
    }

    /// Nothing but a start, and in another format.
    #[process(name = "mute", state = "postcard", version = 3)]
    impl Silent {
        fn init() -> Self {
            Silent(1, "a".into())
        }

        fn call(&self) -> Result<u8, std::fmt::Error> {
            Ok(self.0)
        }

        fn migrate(version: u32, old: Saved) -> Result<Self, Error> {
            match version {
                1 => Ok(Silent(old.read_as(Format::Json)?, String::new())),
                2 => Ok(Silent(old.read()?, "b".into())),
                _ => Err(format!("no version {version}").into()),
            }
        }
    }

    #[process]
    pub(super) use super::parts::Log;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Silent(u8, String);

mod parts {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Log(pub(super) Vec<String>);

    #[skep::process(part)]
    impl Log {
        fn init(first: String) -> Self {
            Log(vec![first])
        }

        fn call(&mut self, text: String, ctx: &mut Ctx) -> Result<String> {
            ctx.append(self, text.clone())?;
            match text.as_str() {
                "panic" => panic!("after it was appended"),
                "conflict" => ctx.atomic().check_version("none", 7).stage()?,
                _ => {}
            }
            Ok(self.0.join(" "))
        }

        fn apply(&mut self, text: String) {
            self.0.push(text);
        }
    }
}

fn told(name: &str) -> Handle<Told> {
    process::start::<Told>(name, &0).unwrap()
}

fn heard(process: &Handle<Told>) -> Vec<String> {
    test::process(process).state().heard
}

#[test]
fn one_name_has_one_process() {
    let a = told("a");
    assert!(matches!(process::start::<Told>("a", &0), Err(StartError::NameTaken(pid)) if Some(&pid) == a.pid()));
    let again = process::start_or_get::<Told>("a", &7).unwrap();
    assert!(again.was_there && again.handle == a);
    let nameless = process::new::<Told>(&7).start().unwrap();
    assert_eq!(nameless.call(&Say::Add(1)).unwrap(), 8);
    assert_eq!(process::whereis("a").unwrap().as_ref(), a.pid());
    assert_eq!(process::whereis("b").unwrap(), None);
    assert_eq!(process::whereis(a.pid().unwrap()).unwrap().as_ref(), a.pid());
    a.stop("shutdown").unwrap();
    assert_eq!(store::get::<String>("ended").unwrap().as_deref(), Some("shutdown"));
    assert!(matches!(a.call(&Say::Add(1)), Err(CallError::NotFound(_))));
    assert!(matches!(process::stop("a", "normal"), Err(CallError::NotFound(_))));
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let why = |from| process::start::<Told>("a", &from).unwrap_err();
    assert!(matches!(why(13), StartError::Failed(why) if why == "the process kind `told`: an unlucky number"));
    assert!(matches!(why(14), StartError::Crashed(why) if why == "worse"));
    assert_eq!(
        process::start::<Told>("", &0).unwrap_err().into_error().capability().map(CapabilityError::status),
        Some(crate::StatusCode::INTERNAL_SERVER_ERROR)
    );
    process::start::<Told>("a", &15).unwrap();
    assert_eq!(process::list("").count(), 0);
    test::process_kind::<Told>().max(1);
    told("a");
    let error: Error = process::new::<Told>(&0).start().unwrap_err().into();
    assert_eq!(error.capability(), Some(&CapabilityError::Full));
    assert_eq!(error.to_string(), "starting a process of the kind `told`: full");
}

#[test]
fn processes_are_listed_by_name() {
    for number in 0..1001 {
        told(&format!("row:{number:04}"));
    }
    process::new::<Told>(&0).start().unwrap();
    assert_eq!(process::list("row:").map(Result::unwrap).count(), 1001);
    let page = process::page("row:00", Some("row:0041"), 2).unwrap();
    let names: Vec<_> = page.processes.iter().map(|listed| (listed.name.as_str(), listed.kind.as_str())).collect();
    assert_eq!((names, page.cursor.as_deref()), (vec![("row:0042", "told"), ("row:0043", "told")], Some("row:0043")));
}

#[test]
fn an_error_is_told_and_a_panic_starts_it_again() {
    let a = process::start::<Told>("a", &5).unwrap();
    a.call(&Say::Add(1)).unwrap();
    let failed = a.call(&Say::Fail).unwrap_err();
    assert!(matches!(&failed, CallError::Failed(_, why) if why == "no bees"));
    assert_eq!(Error::from(failed).to_string(), format!("calling the process `{a}`: no bees"));
    assert_eq!(a.call(&Say::Add(1)).unwrap(), 7);
    let crashed = a.call(&Say::Panic).unwrap_err();
    assert!(matches!(&crashed, CallError::Crashed(_, why) if why == "panicked: the hive fell"));
    assert_eq!(Error::from(crashed).capability(), Some(&CapabilityError::Crashed));
    assert_eq!(a.call(&Say::Add(1)).unwrap(), 6);
    test::process_kind::<Told>().temporary();
    assert!(a.call(&Say::Panic).is_err());
    assert!(!test::process(&a).is_there());
}

#[test]
fn what_is_kept_is_what_the_manifest_says() {
    test::process_kind::<Told>().durable();
    let a = told("a");
    a.call(&Say::Add(3)).unwrap();
    a.call(&Say::Panic).unwrap_err();
    assert_eq!(a.call(&Say::Add(1)).unwrap(), 4);
    test::process_kind::<Told>().in_memory();
    assert!(matches!(a.call(&Say::Stage("k".into())), Err(CallError::Failed(_, why)) if why.contains("`durable`")));
}

#[test]
fn what_is_staged_is_committed_with_the_state_or_not_at_all() {
    test::process_kind::<Told>().durable();
    let a = told("a");
    a.call(&Say::Add(3)).unwrap();
    assert_eq!(a.call(&Say::Stage("k".into())).unwrap(), 3);
    assert_eq!(store::get::<u64>("k").unwrap(), Some(3));
    assert!(matches!(a.call(&Say::Stage("k".into())), Err(CallError::Conflict(_))));
    test::fail_commit(CapabilityError::Unavailable("the store".into()));
    let refused = Error::from(a.call(&Say::Stage("l".into())).unwrap_err());
    assert_eq!(refused.capability(), Some(&CapabilityError::Unavailable("the store".into())));
    assert_eq!((a.call(&Say::Add(0)).unwrap(), store::get::<u64>("l").unwrap()), (3, None));
}

#[test]
fn casts_are_handled_when_the_caller_is_through() {
    let a = told("a");
    process::cast::<Told>("a", &1).unwrap();
    process::send::<Told>("a", &"hi".into()).unwrap();
    store::atomic().send(&a, &2).send_in(&a, SECOND, &3).commit().unwrap();
    assert_eq!(heard(&a), ["cast 1", "hi", "cast 2"]);
    test::advance(SECOND);
    assert_eq!(heard(&a).len(), 4);
    // Who is not there when it leaves does not get it.
    store::atomic().send::<Told>("nobody", &2).commit().unwrap();
}

#[test]
fn an_answer_may_come_later() {
    let a = told("a");
    let calls = [test::call(&a, &Say::Later), test::call(&a, &Say::Later)];
    assert!(calls[0].answer().is_none());
    test::process(&a).hibernate();
    a.cast(&7).unwrap();
    assert_eq!(calls.map(|call| call.answer().unwrap().unwrap()), [7, 7]);
    let failed = test::call(&a, &Say::Later);
    a.cast(&0).unwrap();
    assert!(matches!(failed.answer(), Some(Err(CallError::Failed(_, why))) if why == "none"));
    let crashed = test::call(&a, &Say::Later);
    test::process(&a).crash("killed");
    assert!(matches!(crashed.answer(), Some(Err(CallError::Crashed(_, why))) if why == "killed"));
    assert!(matches!(a.call(&Say::Later), Err(CallError::Timeout(_, why)) if why == "it has put its answer off"));
    assert!(matches!(a.call(&Say::Forget), Err(CallError::Failed(_, why)) if why.contains("reply_later")));
}

#[test]
fn two_that_call_each_other_are_told_so() {
    let (a, b) = (told("a"), told("b"));
    let back = Say::Call("b".into(), Say::Call("a".into(), Say::Add(1).into()).into());
    let error = a.call(&back).unwrap_err().to_string();
    assert!(error.contains(&format!("it waits for `{b}`, which is the caller")), "{error}");
    let error = a.call(&Say::Call("a".into(), Say::Add(1).into())).unwrap_err().to_string();
    assert!(error.contains("it is the caller itself"), "{error}");
}

#[test]
fn timers_fire_in_their_order() {
    let a = told("a");
    a.call(&Say::After(1500, "once".into())).unwrap();
    let every = process::Timer(a.call(&Say::Every(1000, "tick".into())).unwrap());
    test::process(&a).hibernate();
    test::advance(2 * SECOND);
    let words: Vec<_> = heard(&a).iter().map(|text| text.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!((words, test::process(&a).timers().len()), (vec!["tick".into(), "once".into(), "tick".into()], 1));
    assert_eq!(a.call(&Say::Cancel(every)).unwrap(), 1);
    test::advance(60 * SECOND);
    assert_eq!(heard(&a).len(), 3);
    let zero = a.call(&Say::Every(0, "never".into())).unwrap_err();
    assert!(zero.to_string().contains("an interval is at least 1 ms"), "{zero}");
}

#[test]
fn the_end_of_others_is_heard_once() {
    let (a, b) = (told("a"), told("b"));
    a.call(&Say::Monitor("b".into())).unwrap();
    a.call(&Say::Monitor("nobody".into())).unwrap();
    b.call(&Say::Panic).unwrap_err();
    assert_eq!(heard(&a), ["down nobody noproc"]);
    b.call(&Say::Stop("sold".into())).unwrap();
    assert_eq!(heard(&a)[1..], [format!("down {b} sold")]);
    assert_eq!(store::get::<String>("ended").unwrap().as_deref(), Some("sold"));
}

#[test]
fn those_that_are_linked_end_together() {
    let (a, b, c, d) = (told("a"), told("b"), told("c"), told("d"));
    a.call(&Say::Link("b".into(), false)).unwrap();
    b.call(&Say::Link("c".into(), false)).unwrap();
    d.call(&Say::Link("c".into(), true)).unwrap();
    c.stop("fell").unwrap();
    assert_eq!([&a, &b, &c].map(|process| test::process(process).is_there()), [false; 3]);
    assert_eq!(heard(&d), [format!("exit {c} fell")]);
    let (a, b) = (told("a"), told("b"));
    a.call(&Say::Link("b".into(), false)).unwrap();
    b.stop("normal").unwrap();
    assert!(test::process(&a).is_there());
}

#[test]
fn what_is_published_comes_to_those_that_subscribed() {
    let a = told("a");
    a.call(&Say::Subscribe("orders:*".into())).unwrap();
    pubsub::publish("orders:7", &7).unwrap();
    pubsub::publish("users:7", &7).unwrap();
    store::atomic().publish("orders:8", &8).commit().unwrap();
    // What does not decode is logged, as in the host.
    pubsub::publish("orders:9", "nine").unwrap();
    assert_eq!(heard(&a), ["orders:7 7", "orders:8 8"]);
}

#[test]
fn a_presence_goes_with_its_process() {
    let a = told("a");
    a.call(&Say::Track("maja".into())).unwrap();
    a.call(&Say::Panic).unwrap_err();
    assert_eq!(presence::count("lobby").unwrap(), 1);
    a.stop("normal").unwrap();
    assert_eq!(presence::count("lobby").unwrap(), 0);
}

#[test]
fn a_process_sleeps_and_wakes_as_it_was() {
    let a = told("a");
    a.call(&Say::Add(7)).unwrap();
    a.call(&Say::Hibernate).unwrap();
    let seen = test::process(&a);
    assert!(seen.is_asleep());
    assert_eq!(seen.saved_bytes(), br#"{"count":7,"heard":[],"waiting":[]}"#);
    assert_eq!(a.call(&Say::Add(1)).unwrap(), 8);
    assert!(!seen.is_asleep());
}

#[test]
fn an_older_state_is_migrated_and_one_that_cannot_be_is_set_aside() {
    assert_eq!(process::start::<Silent>("new", &()).unwrap().call(&()).unwrap(), 1);
    let mut second = test::sleeping::<Silent>("second", 2, &7_u8);
    assert_eq!((second.call(&()).unwrap(), test::process(&second).state()), (7, Silent(7, "b".into())));
    second = test::sleeping::<Silent>("third", 3, &(8_u8, "c"));
    assert_eq!(second.call(&()).unwrap(), 8);
    let fourth = test::sleeping::<Silent>("fourth", 4, &(8_u8, "c"));
    let error = fourth.call(&()).unwrap_err().to_string();
    assert!(
        error.ends_with("quarantined: the process kind `mute`: migrating the state of version 4 to 3: no version 4"),
        "{error}"
    );
    let garbage = test::sleeping::<Told>("garbage", 1, &json!({"count": "many"}));
    let error = garbage.call(&Say::Heard).unwrap_err().to_string();
    assert!(error.contains("reading the state: field `count`: invalid type"), "{error}");
}

#[test]
fn what_happened_is_replayed() {
    let log = process::start::<Log>("log", &"begin".to_owned()).unwrap();
    assert_eq!(log.call(&"a".to_owned()).unwrap(), "begin a");
    // Neither the one that crashed nor the one that was not committed has happened.
    assert!(log.call(&"panic".to_owned()).is_err());
    assert!(matches!(log.call(&"conflict".to_owned()), Err(CallError::Conflict(_))));
    assert_eq!(log.call(&"b".to_owned()).unwrap(), "begin a b");
    assert_eq!(test::process(&log).events(), ["a", "b"]);
}

use kinds::Log;

#[test]
fn what_is_none_of_its_messages_is_refused_and_it_goes_on() {
    let a = told("a");
    let error = process::call::<Untyped>("a", &json!("Dance")).unwrap_err();
    assert!(matches!(&error, CallError::Failed(_, why) if why.starts_with("reading the call as `")), "{error}");
    assert_eq!(process::call::<Untyped>(&Target::from(a), &json!({"Add": 2})).unwrap(), json!(2));
    assert!(codec::from_json::<Unhandled>(b"1").unwrap_err().to_string().contains("this process handles none"));
}

#[test]
fn another_plugin_has_names_of_its_own() {
    let theirs = test::start_as::<Told>("shop", "a", &3).unwrap();
    assert_eq!(process::call::<Told>(("shop", "a"), &Say::Add(1)).unwrap(), 4);
    assert!(matches!(process::call::<Told>("a", &Say::Add(1)), Err(CallError::NotFound(_))));
    assert_eq!(process::whereis(("shop", "a")).unwrap().as_ref(), theirs.pid());
    assert_eq!(process::list("").count(), 0);
}

#[test]
fn what_names_a_process_can_be_kept() {
    for (target, text) in [
        (Target::from("a"), r#"{"name":{"plugin":null,"name":"a"}}"#),
        (Target::from(("shop", "a")), r#"{"name":{"plugin":"shop","name":"a"}}"#),
        (Target::from(Pid::new("p/k/1")), r#"{"pid":"p/k/1"}"#),
    ] {
        let handle: Handle<Told> = (&target).into();
        assert_eq!(codec::to_json(&handle).unwrap(), text.as_bytes());
        assert_eq!(codec::from_json::<Handle<Told>>(text.as_bytes()).unwrap().target(), &target);
    }
    assert_eq!(Target::from(("shop", "a\n")).to_string(), "shop/a\\n");
}

#[test]
fn a_job_calls_a_process() {
    #[derive(Serialize, Deserialize)]
    struct Args(Target);

    struct Add;

    impl jobs::Worker for Add {
        type Args = Args;
        type Output = u64;
        const NAME: &'static str = "add";
        const QUEUE: &'static str = "default";
        const MAX_ATTEMPTS: u16 = 1;
        const PRIORITY: u8 = 0;
        const TIMEOUT: Option<Duration> = None;

        fn perform(args: Args, _: &jobs::Job) -> jobs::JobResult<u64> {
            Ok(process::call::<Told>(args.0, &Say::Add(2))?)
        }
    }

    let a = told("a");
    jobs::worker::typed_job::<Add>(&Args(a.into())).enqueue().unwrap();
    assert_eq!((test::perform_jobs(), test::jobs()[0].output::<u64>()), (1, Some(2)));
}
