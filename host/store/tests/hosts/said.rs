//! What hosts say that they were answered.

use std::collections::{BTreeMap, BTreeSet};

/// What the hosts of a database said, all together.
#[derive(Default)]
pub(crate) struct Said {
    /// Commits that were answered, or found when their end was not known, and those that were not.
    pub(crate) steps: BTreeSet<String>,
    pub(crate) no_steps: BTreeSet<String>,
    pub(crate) heard: BTreeSet<String>,
    /// Unique jobs, and the ticks that somebody took.
    pub(crate) once: BTreeSet<String>,
    pub(crate) ticks: BTreeSet<String>,
    /// Under which fences each job was begun, and when.
    pub(crate) begun: BTreeMap<u64, BTreeMap<u64, u64>>,
    /// Under which fence it was done.
    pub(crate) done: BTreeMap<u64, u64>,
    pub(crate) posted: BTreeSet<String>,
    pub(crate) not_posted: BTreeSet<String>,
    pub(crate) handled: BTreeSet<String>,
    /// The last seq of each process.
    pub(crate) turns: BTreeMap<u64, u64>,
    /// How many settles came too late, and how many jobs were taken away from somebody.
    pub(crate) lost: usize,
    pub(crate) reclaimed: usize,
    /// What cannot be, at once.
    pub(crate) wrong: Vec<String>,
}

impl Said {
    /// Takes a line down. Whether it says that a host gets on.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        let Some((what, of)) = line.strip_prefix('@').and_then(|line| line.split_once(' ')) else { return false };
        let text = of.to_owned();
        let new = match what {
            "step" => self.steps.insert(text),
            "no-step" => self.no_steps.insert(text),
            "once" => self.once.insert(text),
            "tick" => self.ticks.insert(text),
            "posted" => self.posted.insert(text),
            "not-posted" => self.not_posted.insert(text),
            "handled" => self.handled.insert(text),
            "heard" => {
                self.heard.insert(text);
                true
            }
            "begun" => {
                let [id, fence, at] = numbers(of);
                self.begun.entry(id).or_default().insert(fence, at).is_none()
            }
            "done" => {
                let [id, fence] = numbers(of);
                self.done.insert(id, fence).is_none()
            }
            "turn" => {
                let (number, seq) = of.split_once('/').unwrap();
                let (number, seq) = (number.parse().unwrap(), seq.parse().unwrap());
                let last = self.turns.entry(number).or_default();
                *last = (*last).max(seq);
                true
            }
            "lost" => {
                self.lost += 1;
                true
            }
            "reclaimed" => {
                self.reclaimed += 1;
                true
            }
            _ => false,
        };
        if !new {
            self.wrong.push(line.to_owned());
        }
        matches!(what, "step" | "done" | "turn")
    }
}

/// A line that was cut short has fewer; it says nothing then.
fn numbers<const N: usize>(text: &str) -> [u64; N] {
    let mut numbers = text.split(' ').map(|number| number.parse().unwrap());
    std::array::from_fn(|_| numbers.next().unwrap())
}
