//! A host under test: a clock that the tests move, and a behaviour that does what its messages say.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;
use skep_process::*;
use skep_types::{ManualClock, PluginName};

use crate::keeper::{Disk, Line};

pub fn plugin() -> PluginName {
    PluginName::new("shop").unwrap()
}

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000)))
}

pub fn named(name: &str) -> Target {
    Target::Name { plugin: plugin(), name: name.to_owned() }
}

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What went on in all processes of a behaviour.
#[derive(Default)]
pub struct Seen {
    pub log: Mutex<Vec<String>>,
    pub inits: AtomicUsize,
    pub loads: AtomicUsize,
    /// Loads that fail, from now on.
    pub bad: Mutex<Bad>,
}

/// How a behaviour fails to load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Bad {
    #[default]
    No,
    Error,
    Panic,
    Loop,
    /// It loads, and what it saves then is an error.
    Garbage,
    /// No instance is free.
    Busy,
}

/// A counter whose messages are words: see [`Counter::handle`].
#[derive(Clone)]
pub struct Counters {
    pub version: u32,
    pub saves: bool,
    pub seen: Arc<Seen>,
    pub engine: Arc<OnceLock<Processes>>,
}

impl Counters {
    pub fn version(version: u32) -> Self {
        Self { version, saves: true, seen: Arc::default(), engine: Arc::default() }
    }
}

impl Behaviour for Counters {
    fn version(&self) -> u32 {
        self.version
    }

    fn saves(&self) -> bool {
        self.saves
    }

    fn replays(&self) -> bool {
        true
    }

    fn init(&self, birth: Birth) -> Working<'_, Begun> {
        Box::pin(async move {
            self.seen.inits.fetch_add(1, Ordering::SeqCst);
            let args = String::from_utf8(birth.args.to_vec()).unwrap();
            let mut counter = Counter { of: self.clone(), me: birth.me, count: 0, garbage: false, later: Vec::new() };
            let mut next = Next::NoReply;
            for word in args.split(';').filter(|word| !word.is_empty()) {
                let turn = counter.word(word, None).await?;
                if turn.next != Next::Reply(Ok(Bytes::from_static(b"ok"))) {
                    next = turn.next;
                }
            }
            Ok(Begun { instance: Box::new(counter), turn: Turn::new(next) })
        })
    }

    fn load(&self, me: Identity, saved: Saved) -> Working<'_, Box<dyn Instance>> {
        Box::pin(async move {
            self.seen.loads.fetch_add(1, Ordering::SeqCst);
            let bad = *self.seen.bad.lock();
            match bad {
                Bad::Error => return Err(Crash::new(Fault::Returned, "cannot load")),
                Bad::Panic => panic!("cannot load"),
                Bad::Loop => pending().await,
                Bad::Busy => return Err(Crash::new(Fault::Host, "no instance is free")),
                Bad::No | Bad::Garbage => {}
            }
            // Each version writes its state in another way, and reads all that came before.
            let text = String::from_utf8(saved.state.to_vec()).unwrap_or_default();
            let count = text.strip_prefix(&format!("v{}:", saved.version)).and_then(|count| count.parse().ok());
            let count = count.ok_or_else(|| Crash::new(Fault::Returned, "not a counter"))?;
            assert!(saved.version <= self.version, "only older states are read");
            let garbage = bad == Bad::Garbage;
            Ok(Box::new(Counter { of: self.clone(), me, count, garbage, later: Vec::new() }) as Box<dyn Instance>)
        })
    }
}

pub struct Counter {
    of: Counters,
    me: Identity,
    count: u64,
    garbage: bool,
    later: Vec<CallRef>,
}

impl Counter {
    async fn word(&mut self, word: &str, from: Option<CallRef>) -> Result<Turn, Crash> {
        let (verb, rest) = word.split_once(' ').unwrap_or((word, ""));
        let engine = || self.of.engine.get().unwrap();
        let me = &self.me.pid;
        let ms = |text: &str| Duration::from_millis(text.parse().unwrap());
        let target = |text: &str| text.parse::<Pid>().map_or_else(|_| named(text), Target::Pid);
        let ok = Turn::reply("ok");
        let done = |done: Result<(), Error>| match done {
            Ok(()) => Ok(Turn::reply("ok")),
            Err(error) => Ok(Turn::reply(error.to_string())),
        };
        match verb {
            "add" => {
                self.count += 1;
                Ok(Turn::reply(self.count.to_string()))
            }
            "event" => {
                self.count += 1;
                Ok(Turn { events: vec![Bytes::from_static(b"1")], ..Turn::reply(self.count.to_string()) })
            }
            "stage" => {
                self.count += 1;
                Ok(Turn { staged: Some(Box::default()), ..Turn::reply(self.count.to_string()) })
            }
            "claim" => {
                self.count += 1;
                let key = || skep_store::Key::of_plugin(me.plugin.clone(), rest);
                let value = Bytes::copy_from_slice(self.name().as_bytes());
                let staged = Staged {
                    checks: vec![skep_store::Check { key: key(), version: None }],
                    writes: vec![skep_store::Write::Set { key: key(), value, expires: None }],
                    ..Staged::default()
                };
                Ok(Turn { staged: Some(Box::new(staged)), ..Turn::reply(self.count.to_string()) })
            }
            "get" => Ok(Turn::reply(format!("{} v{}", self.count, self.of.version))),
            "crash" => Err(Crash::new(Fault::Trap, "told to")),
            "panic" => panic!("told to"),
            "burden" => {
                for _ in 0..rest.parse().unwrap() {
                    engine().send(&me.clone().into(), "add".into()).await.unwrap();
                }
                Ok(ok)
            }
            "hang" => pending().await,
            "refuse" => Err(Crash::new(Fault::Returned, "said no")),
            "stop" => {
                Ok(Turn::new(Next::Stop { reason: Reason::new(rest), reply: Some(Ok(Bytes::from_static(b"bye"))) }))
            }
            "leave" => Ok(Turn::new(Next::Stop { reason: Reason::NORMAL, reply: None })),
            "sleep" => Ok(Turn::new(Next::Hibernate(from.map(|_| Ok(Bytes::from_static(b"good night")))))),
            "later" => {
                self.later.extend(from);
                Ok(Turn::new(Next::NoReply))
            }
            "answer" => {
                for late in self.later.drain(..) {
                    engine().reply(me, late, Ok(Bytes::from_static(b"at last"))).unwrap();
                }
                Ok(ok)
            }
            "after" => {
                let (delay, text) = rest.split_once(' ').unwrap();
                let timer = engine().send_after(me, text.to_owned().into(), ms(delay));
                Ok(Turn::reply(timer.map_or_else(|error| error.to_string(), |timer| timer.0.to_string())))
            }
            "every" => {
                let (delay, text) = rest.split_once(' ').unwrap();
                let timer = engine().send_every(me, text.to_owned().into(), ms(delay));
                Ok(Turn::reply(timer.map_or_else(|error| error.to_string(), |timer| timer.0.to_string())))
            }
            "cancel" => {
                let was = engine().cancel_timer(me, TimerId(rest.parse().unwrap())).unwrap();
                Ok(Turn::reply(was.to_string()))
            }
            "monitor" => {
                let monitor = engine().monitor(me, &target(rest)).await;
                Ok(Turn::reply(monitor.map_or_else(|error| error.to_string(), |monitor| monitor.0.to_string())))
            }
            "demonitor" => done(engine().demonitor(me, MonitorRef(rest.parse().unwrap()))),
            "link" => done(engine().link(me, &target(rest)).await),
            "unlink" => done(engine().unlink(me, &target(rest)).await),
            "trap" => done(engine().trap_exits(me, true)),
            "subscribe" => done(engine().subscribe(me, rest)),
            "call" => {
                let (to, word) = rest.split_once(' ').unwrap();
                let answer = engine().call(Some(me), &target(to), word.to_owned().into(), Some(secs(2))).await;
                let text =
                    answer.map_or_else(|error| error.to_string(), |answer| String::from_utf8(answer.to_vec()).unwrap());
                Ok(Turn::reply(text))
            }
            _ => {
                self.of.seen.log.lock().push(format!("{}: {word}", self.name()));
                Ok(ok)
            }
        }
    }

    fn name(&self) -> String {
        self.me.name.as_deref().unwrap_or("?").to_owned()
    }

    fn log(&self, text: &str) {
        self.of.seen.log.lock().push(format!("{}: {text}", self.name()));
    }
}

fn without_answer(turn: Turn) -> Turn {
    match turn.next {
        Next::Reply(Ok(_)) => Turn { next: Next::NoReply, ..turn },
        _ => turn,
    }
}

impl Instance for Counter {
    fn handle(&mut self, event: Event) -> Working<'_, Turn> {
        Box::pin(async move {
            let text = |message: &Bytes| String::from_utf8(message.to_vec()).unwrap();
            match event {
                Event::Call { from, message } => self.word(&text(&message), Some(from)).await,
                Event::Cast(message) | Event::Info(message) => {
                    Ok(without_answer(self.word(&text(&message), None).await?))
                }
                Event::Timer { id: _, message } => Ok(without_answer(self.word(&text(&message), None).await?)),
                Event::Published(message) => {
                    self.log(&format!("published {}", message.topic));
                    Ok(Turn::default())
                }
                Event::Down { monitor: _, pid: _, reason } => {
                    self.log(&format!("down {reason}"));
                    Ok(Turn::default())
                }
                Event::Exit { pid: _, reason } => {
                    self.log(&format!("exit {reason}"));
                    Ok(Turn::default())
                }
            }
        })
    }

    fn save(&mut self) -> Working<'_, Bytes> {
        Box::pin(async move {
            if self.garbage {
                return Err(Crash::new(Fault::Trap, "garbage"));
            }
            Ok(format!("v{}:{}", self.of.version, self.count).into())
        })
    }

    fn replay(&mut self, events: Vec<Bytes>) -> Working<'_, ()> {
        Box::pin(async move {
            self.count += events.len() as u64;
            Ok(())
        })
    }

    fn terminate(&mut self, reason: Reason) -> Working<'_, ()> {
        self.log(&format!("terminate {reason}"));
        Box::pin(async { Ok(()) })
    }
}

/// Who counts what happened.
#[derive(Default)]
pub struct Told(pub Mutex<Vec<(Pid, Happened)>>);

impl ProcessObserver for Told {
    fn happened(&self, pid: &Pid, what: &Happened) {
        self.0.lock().push((pid.clone(), what.clone()));
    }
}

impl Told {
    pub fn count(&self, is: impl Fn(&Happened) -> bool) -> usize {
        self.0.lock().iter().filter(|(_, what)| is(what)).count()
    }
}

/// Topics of which nothing is published.
#[derive(Default)]
pub struct Topics(pub Mutex<Vec<String>>);

impl skep_process::Topics for Topics {
    fn subscribe(&self, _: &Pid, topic: &str) -> Result<(), Error> {
        self.0.lock().push(topic.to_owned());
        Ok(())
    }

    fn unsubscribe(&self, _: &Pid, topic: &str) {
        self.0.lock().retain(|other| other != topic);
    }
}

pub struct Rig {
    pub engine: Processes,
    pub clock: Arc<ManualClock>,
    pub counters: Counters,
    pub disk: Arc<Disk>,
    pub line: Arc<Line>,
    pub told: Arc<Told>,
    pub topics: Arc<Topics>,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(KindOptions::default(), Options::default())
    }

    pub fn with(kind: KindOptions, options: Options) -> Self {
        Self::on(Arc::default(), clock(), Counters::version(1), kind, options)
    }

    pub fn on(
        disk: Arc<Disk>,
        clock: Arc<ManualClock>,
        counters: Counters,
        kind: KindOptions,
        options: Options,
    ) -> Self {
        let (line, told, topics) = (disk.line(), Arc::<Told>::default(), Arc::<Topics>::default());
        let options = Options { observer: told.clone(), topics: topics.clone(), ..options };
        let engine = Processes::open(clock.clone(), Some(line.clone()), options).unwrap();
        let counters = Counters { engine: Arc::default(), ..counters };
        counters.engine.set(engine.clone()).ok();
        engine.set_kind(&plugin(), "counter", kind, Arc::new(counters.clone())).unwrap();
        Self { engine, clock, counters, disk, line, told, topics }
    }

    /// The same disk and time, another host. The one before is cut off.
    pub fn next_host(&self, kind: KindOptions) -> Self {
        self.line.kill();
        Self::on(self.disk.clone(), self.clock.clone(), self.counters.clone(), kind, Options::default())
    }

    pub fn upgrade(&self, kind: KindOptions, version: u32) -> (Arc<dyn Behaviour>, Counters) {
        let counters = Counters { version, seen: Arc::default(), ..self.counters.clone() };
        let behaviour: Arc<dyn Behaviour> = Arc::new(counters.clone());
        self.engine.set_kind(&plugin(), "counter", kind, behaviour.clone()).unwrap();
        (behaviour, counters)
    }

    pub async fn try_start(&self, name: Option<&str>, args: &str) -> Result<Started, StartFailure> {
        let spec = Spec {
            kind: "counter".to_owned(),
            name: name.map(str::to_owned),
            args: args.to_owned().into(),
            supervised: false,
        };
        self.engine.start(&plugin(), spec).await
    }

    pub async fn start(&self, name: &str) -> Pid {
        self.try_start(Some(name), "").await.unwrap().pid
    }

    pub async fn start_with(&self, name: &str, args: &str) -> Pid {
        self.try_start(Some(name), args).await.unwrap().pid
    }

    pub async fn try_call(&self, to: &Target, word: &str) -> Result<String, Failure> {
        let answer = self.engine.call(None, to, word.to_owned().into(), None).await?;
        Ok(String::from_utf8(answer.to_vec()).unwrap())
    }

    pub async fn call(&self, to: &str, word: &str) -> String {
        self.try_call(&named(to), word).await.unwrap()
    }

    pub fn calling(&self, to: &str, word: &str) -> tokio::task::JoinHandle<Result<String, Failure>> {
        let (engine, to, word) = (self.engine.clone(), named(to), word.to_owned());
        tokio::spawn(async move {
            let answer = engine.call(None, &to, word.into(), None).await?;
            Ok(String::from_utf8(answer.to_vec()).unwrap())
        })
    }

    /// Lets everything happen that can without the clock, on a runtime of one thread.
    pub async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    pub async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.engine.look();
        self.settle().await;
    }

    /// In steps, so that what begins at one moment is over before the next.
    pub async fn pass_slowly(&self, time: Duration, steps: u32) {
        for _ in 0..steps {
            self.pass(time / steps).await;
        }
    }

    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.counters.seen.log.lock())
    }

    pub fn state(&self, pid: &Pid) -> Option<ProcessState> {
        self.engine.inspect(pid).map(|about| about.view.state)
    }
}
