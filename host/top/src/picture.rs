//! A look at the node beside the one before it.

use std::collections::HashMap;

use skep_admin::api::{NodeFigures, ProcessPage};

use crate::gather::Snapshot;

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The last look.
    pub now: Snapshot,
    /// How fast it came to be. All is unknown after the first look, and after the node was started again.
    pub rates: Rates,
}

/// What grew since the look before, by the second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// Cores that are at work.
    pub cpu: Option<f64>,
    /// Calls that ended, of all plugins.
    pub calls: Option<f64>,
    /// Those of them that failed.
    pub failures: Option<f64>,
    /// Messages of processes.
    pub messages: Option<f64>,
    /// Sockets that were opened.
    pub sockets: Option<f64>,
    /// Joins that went well.
    pub joins: Option<f64>,
    /// Joins and channels that crashed.
    pub channel_crashes: Option<f64>,
    plugins: HashMap<String, (f64, f64)>,
    processes: HashMap<String, f64>,
}

impl Rates {
    /// Calls of a plugin, and those that failed.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<(f64, f64)> {
        self.plugins.get(name).copied()
    }

    /// Messages of a process, by its pid.
    #[must_use]
    pub fn process(&self, pid: &str) -> Option<f64> {
        self.processes.get(pid).copied()
    }
}

impl Picture {
    /// A first look.
    #[must_use]
    pub fn of(now: Snapshot) -> Self {
        Self { now, rates: Rates::default() }
    }

    /// The next look. Queues that were not asked for are those of this one.
    #[must_use]
    pub fn then(&self, mut now: Snapshot) -> Self {
        let before = &self.now;
        if now.queues.is_none() {
            now.queues.clone_from(&before.queues);
        }
        let ms = now.figures.uptime_ms.checked_sub(before.figures.uptime_ms).filter(|ms| *ms > 0);
        let rates = ms.map(|ms| Rates::between(before, &now, Span { ms })).unwrap_or_default();
        Self { now, rates }
    }
}

/// The time between two looks.
#[derive(Clone, Copy)]
struct Span {
    ms: u64,
}

impl Span {
    /// By the second; none where something that only grows became less, as after a restart.
    #[allow(clippy::cast_precision_loss)] // For people.
    fn rate(self, before: u64, now: u64) -> Option<f64> {
        Some(now.checked_sub(before)? as f64 * 1000.0 / self.ms as f64)
    }
}

impl Rates {
    fn between(before: &Snapshot, now: &Snapshot, span: Span) -> Self {
        let (old, new) = (&before.figures, &now.figures);
        let sum = |figures: &NodeFigures, of: fn(&skep_admin::api::PluginFigures) -> u64| {
            figures.plugins.iter().map(of).fold(0_u64, u64::saturating_add)
        };
        let cpu = old.cpu_ms.zip(new.cpu_ms).and_then(|(old, new)| span.rate(old, new)).map(|ms| ms / 1000.0);
        let messages = old.processes.zip(new.processes);
        let sockets = |of: fn(&skep_admin::api::SocketTotals) -> u64| {
            old.sockets.zip(new.sockets).and_then(|(old, new)| span.rate(of(&old), of(&new)))
        };
        Self {
            cpu,
            calls: span.rate(sum(old, |plugin| plugin.calls), sum(new, |plugin| plugin.calls)),
            failures: span.rate(sum(old, |plugin| plugin.failures), sum(new, |plugin| plugin.failures)),
            messages: messages.and_then(|(old, new)| span.rate(old.messages, new.messages)),
            sockets: sockets(|totals| totals.opened),
            joins: sockets(|totals| totals.joins),
            channel_crashes: sockets(|totals| totals.crashes),
            plugins: plugins(old, new, span),
            processes: match (&before.processes, &now.processes) {
                (Ok(old), Ok(new)) => processes(old, new, span),
                _ => HashMap::new(),
            },
        }
    }
}

fn plugins(old: &NodeFigures, new: &NodeFigures, span: Span) -> HashMap<String, (f64, f64)> {
    let old: HashMap<_, _> = old.plugins.iter().map(|plugin| (plugin.name.as_str(), plugin)).collect();
    let rates = new.plugins.iter().filter_map(|plugin| {
        let before = old.get(plugin.name.as_str())?;
        let failures = span.rate(before.failures, plugin.failures)?;
        Some((plugin.name.clone(), (span.rate(before.calls, plugin.calls)?, failures)))
    });
    rates.collect()
}

fn processes(old: &ProcessPage, new: &ProcessPage, span: Span) -> HashMap<String, f64> {
    let old: HashMap<_, _> = old.processes.iter().map(|process| (process.pid.as_str(), process.messages)).collect();
    let rates = new.processes.iter().filter_map(|process| {
        let before = old.get(process.pid.as_str())?;
        Some((process.pid.clone(), span.rate(*before, process.messages)?))
    });
    rates.collect()
}

#[cfg(test)]
mod tests {
    use skep_admin::api::{PluginFigures, ProcessState, ProcessStatus, ProcessTotals, QueueStatus};

    use super::*;

    fn look(uptime_ms: u64, grown: u64) -> Snapshot {
        let shop =
            PluginFigures { name: "shop".to_owned(), calls: grown, failures: grown / 10, ..PluginFigures::default() };
        let process = ProcessStatus {
            pid: "shop/cart/1".to_owned(),
            plugin: "shop".to_owned(),
            kind: "cart".to_owned(),
            name: None,
            state: ProcessState::Idle,
            mailbox: 0,
            memory: 0,
            messages: grown,
            crashes: 0,
            trouble: None,
        };
        let figures = NodeFigures {
            uptime_ms,
            cpu_ms: Some(grown),
            plugins: vec![shop],
            processes: Some(ProcessTotals { messages: grown, ..ProcessTotals::default() }),
            ..NodeFigures::default()
        };
        Snapshot {
            figures,
            processes: Ok(ProcessPage { processes: vec![process], ..ProcessPage::default() }),
            queues: None,
        }
    }

    #[test]
    fn what_grew_is_told_by_the_second() {
        let first = Picture::of(look(1000, 100));
        assert_eq!(first.rates, Rates::default());
        let second = first.then(look(3000, 1100));
        let rates = &second.rates;
        assert_eq!((rates.calls, rates.failures, rates.messages), (Some(500.0), Some(50.0), Some(500.0)));
        assert_eq!(rates.cpu, Some(0.5), "half a core");
        assert_eq!((rates.plugin("shop"), rates.process("shop/cart/1")), (Some((500.0, 50.0)), Some(500.0)));
        assert_eq!((rates.plugin("mail"), rates.process("shop/cart/2")), (None, None));
    }

    #[test]
    fn nothing_is_told_over_a_restart_or_without_time() {
        let first = Picture::of(look(5000, 1000));
        assert_eq!(first.then(look(100, 10)).rates, Rates::default());
        assert_eq!(first.then(look(5000, 2000)).rates, Rates::default());
        // A plugin that was removed takes its calls with it.
        assert_eq!(first.then(look(6000, 10)).rates.calls, None);
    }

    #[test]
    fn queues_stay_until_they_are_asked_for_again() {
        let queues = Some(vec![QueueStatus::default()]);
        let first = Picture::of(Snapshot { queues: queues.clone(), ..look(1000, 0) });
        assert_eq!(first.then(look(2000, 0)).now.queues, queues);
        let asked = Snapshot { queues: Some(Vec::new()), ..look(2000, 0) };
        assert_eq!(first.then(asked).now.queues, Some(Vec::new()));
    }
}
