//! Random schedules for supervisors, as text that Erlang reads too.
//!
//! ```text
//! sup one_for_all 3 never            strategy, restarts within a period that never ends, auto_shutdown
//! child a permanent timeout false    name, restart, shutdown, significant
//! fail a 2                           the next two starts of a fail
//! go                                 start it; steps follow
//! crash a normal | shutdown | crash | kill
//! start d temporary brutal false
//! terminate a | restart a | delete a
//! end                                stop it
//! ```
//!
//! A trace repeats each step as `> step`, and says after it what it led to: `+ a` started, `x a` did not start, `- a` was
//! told to stop (not for those killed at once, who cannot tell), `< ok` the answer to a command, `= a:up b:down` the
//! children, `! shutdown` the end.

use std::fmt::Write;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn pick<'a>(random: &mut fastrand::Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}

fn child(random: &mut fastrand::Rng, name: &str, auto_shutdown: &str) -> String {
    let restart = pick(random, &["permanent", "permanent", "transient", "temporary"]);
    let significant = auto_shutdown != "never" && restart != "permanent" && random.bool();
    format!("{name} {restart} {} {significant}", pick(random, &["timeout", "timeout", "brutal"]))
}

/// The schedule of a seed.
pub(crate) fn generate(seed: u64) -> String {
    let random = &mut fastrand::Rng::with_seed(seed);
    let strategy = pick(random, &["one_for_one", "one_for_all", "rest_for_one"]);
    let auto_shutdown = pick(random, &["never", "never", "any_significant", "all_significant"]);
    let mut text = format!("sup {strategy} {} {auto_shutdown}\n", random.u32(0..8));
    for name in &NAMES[..random.usize(1..=4)] {
        writeln!(text, "child {}", child(random, name, auto_shutdown)).unwrap();
    }
    if random.u8(..12) == 0 {
        writeln!(text, "fail {} 1", pick(random, &NAMES[..4])).unwrap();
    }
    text.push_str("go\n");
    for _ in 0..random.usize(1..20) {
        let name = pick(random, &NAMES);
        match random.u8(..10) {
            0..=4 => writeln!(text, "crash {name} {}", pick(random, &["normal", "shutdown", "crash", "crash", "kill"])),
            5 => writeln!(text, "fail {name} {}", random.u32(1..4)),
            6 => writeln!(text, "start {}", child(random, name, auto_shutdown)),
            7 => writeln!(text, "terminate {name}"),
            8 => writeln!(text, "restart {name}"),
            _ => writeln!(text, "delete {name}"),
        }
        .unwrap();
    }
    text.push_str("end\n");
    text
}
