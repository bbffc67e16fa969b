//! Processes for measurements, by the SDK: counters that hold a number each, and routes that start them and talk to them.
//!
//! | route | does |
//! |---|---|
//! | `/time?what=WHAT&n=OPS` | answers figures of so many operations of `timed.rs`, from a handler; `by=process`: from a process |
//! | `/turn?n=MESSAGES` | answers the nanoseconds that a process spends on each of so many that wait for it |
//! | `/start?first=FIRST&n=COUNT` | starts the counters of so many numbers, each of which holds its own |
//! | `/wake?first=FIRST&count=COUNT&n=OPS` | asks so many different ones of the next `COUNT`, in no order; answers figures; `naps=true`: each sleeps again behind its answer |
//! | `/hit?first=FIRST&count=COUNT&n=OPS` | adds 1 to so many random ones; answers nothing |
//! | `/check?first=FIRST&count=COUNT&step=STEP` | looks whether each one of every `STEP` holds its number; answers how many |
//! | `/sum?first=FIRST&count=COUNT` | answers the sum of what they hold |
//! | `/nothing` | answers nothing |
//!
//! Figures are JSON, see `Figures`. A counter that does not hold what it should is an error.

mod timed;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;
use skep_sdk::process::Handle;

use crate::timed::{Figures, What, timed};

/// More than anything takes that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process is busy while messages are sent to it.
const PAUSE: Duration = Duration::from_millis(200);
/// A prime number above all counts: its multiples visit every number below a count once.
const STRIDE: u64 = 982_451_653;

#[derive(Deserialize)]
struct Ask {
    #[serde(default)]
    what: What,
    #[serde(default)]
    by: By,
    #[serde(default)]
    first: u64,
    #[serde(default = "one")]
    count: u64,
    #[serde(default = "one")]
    step: usize,
    #[serde(default = "one")]
    n: u64,
    #[serde(default)]
    naps: bool,
}

fn one<T: From<u8>>() -> T {
    T::from(1)
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    #[default]
    Handler,
    Process,
}

/// What a counter is asked.
#[derive(Serialize, Deserialize)]
pub(crate) enum Call {
    /// For its number, with a text that makes the message longer.
    Get(String),
    /// Likewise, and it sleeps then.
    Nap,
    Add(u64),
    /// For the nanoseconds between the first and the last `Note`.
    Noted,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Cast {
    Say(String),
    Pause,
    Note,
}

/// A number.
#[derive(Serialize, Deserialize)]
pub(crate) struct Counter {
    count: u64,
    /// Wall time: a guest's other clock begins anew with each message.
    #[serde(skip)]
    noted: Option<(SystemTime, SystemTime)>,
}

/// Measures as a process.
#[derive(Serialize, Deserialize)]
struct Asker;

#[skep::processes]
mod kinds {
    use skep_sdk::prelude::*;

    use super::*;

    #[process]
    impl Counter {
        fn init(count: u64) -> Self {
            Counter { count, noted: None }
        }

        fn call(&mut self, call: Call, ctx: &mut Ctx) -> u64 {
            match call {
                Call::Get(_) => self.count,
                Call::Nap => {
                    ctx.hibernate();
                    self.count
                }
                Call::Add(by) => {
                    self.count += by;
                    self.count
                }
                Call::Noted => {
                    self.noted.map_or(0, |(first, last)| nanos(last.duration_since(first).unwrap_or_default()))
                }
            }
        }

        fn cast(&mut self, cast: Cast) {
            match cast {
                Cast::Say(_) => {}
                Cast::Pause => std::thread::sleep(PAUSE),
                Cast::Note => {
                    let now = SystemTime::now();
                    self.noted = Some((self.noted.map_or(now, |(first, _)| first), now));
                }
            }
        }
    }

    #[process]
    impl Asker {
        fn init() -> Self {
            Asker
        }

        fn call(&mut self, (what, n): (What, u64)) -> Result<Figures> {
            what.measure(n)
        }
    }
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[skep::http]
fn app() -> Router {
    Router::new()
        .get("/time", time)
        .get("/turn", turn)
        .get("/start", start)
        .get("/wake", wake)
        .get("/hit", hit)
        .get("/check", check)
        .get("/sum", sum)
        .get("/nothing", || ())
}

fn time(Query(ask): Query<Ask>) -> Result<Json<Figures>> {
    let figures = match ask.by {
        By::Handler => ask.what.measure(ask.n)?,
        By::Process => {
            let asker = process::start_or_get::<Asker>("asker", &())?.handle;
            asker.timeout(PATIENCE).call(&(ask.what, ask.n))?
        }
    };
    Ok(Json(figures))
}

fn turn(Query(ask): Query<Ask>) -> Result<String> {
    let busy = process::new::<Counter>(&0).start()?.timeout(PATIENCE);
    busy.cast(&Cast::Pause)?;
    for _ in 0..ask.n {
        busy.cast(&Cast::Note)?;
    }
    let span = busy.call(&Call::Noted)?;
    busy.stop("normal")?;
    Ok(format!("{:.1}", span as f64 / ask.n.saturating_sub(1).max(1) as f64))
}

/// The counter of a number, by its name.
fn counter(number: u64) -> Handle<Counter> {
    process::handle(name(number))
}

fn name(number: u64) -> String {
    format!("counter:{number:08}")
}

fn get(number: u64) -> Result<u64> {
    Ok(counter(number).timeout(PATIENCE).call(&Call::Get(String::new()))?)
}

fn ask_and_let_sleep(number: u64) -> Result<u64> {
    Ok(counter(number).timeout(PATIENCE).call(&Call::Nap)?)
}

fn start(Query(ask): Query<Ask>) -> Result<String> {
    for number in ask.first..ask.first + ask.n {
        process::start::<Counter>(name(number), &number)?;
    }
    Ok(ask.n.to_string())
}

fn wake(Query(ask): Query<Ask>) -> Result<Json<Figures>> {
    let begin = random();
    let figures = timed(ask.n, |at| {
        let step = u128::from(begin % STRIDE) + u128::from(at) * u128::from(STRIDE);
        let number = ask.first + (step % u128::from(ask.count.max(1))) as u64;
        holds(number, if ask.naps { ask_and_let_sleep(number)? } else { get(number)? })
    })?;
    Ok(Json(figures))
}

fn hit(Query(ask): Query<Ask>) -> Result<()> {
    let mut seed = random() | 1;
    for _ in 0..ask.n {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        counter(ask.first + seed % ask.count.max(1)).call(&Call::Add(1))?;
    }
    Ok(())
}

fn check(Query(ask): Query<Ask>) -> Result<String> {
    let mut looked = 0;
    for number in (ask.first..ask.first + ask.count).step_by(ask.step.max(1)) {
        holds(number, get(number)?)?;
        looked += 1;
    }
    Ok(looked.to_string())
}

fn holds(number: u64, held: u64) -> Result<()> {
    if held == number { Ok(()) } else { Err(format!("{} holds {held}", name(number)).into()) }
}

fn sum(Query(ask): Query<Ask>) -> Result<String> {
    let mut sum = 0;
    for number in ask.first..ask.first + ask.count {
        sum += get(number)?;
    }
    Ok(sum.to_string())
}

/// Another number each time.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
