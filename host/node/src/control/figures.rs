//! The node in numbers that grow.

use skep_admin::api::{NodeFigures, PluginFigures, ProcessTotals};

use super::NodeControl;
use crate::machine;

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl NodeControl {
    pub(super) fn node_figures(&self) -> NodeFigures {
        let service = self.shared_engine();
        let counts = service.processes.counts();
        let plugins = self.0.plugins();
        let plugins = plugins.iter().map(|(name, plugin)| {
            let (tally, revision) = (plugin.tally(), plugin.current());
            PluginFigures {
                name: name.to_string(),
                state: plugin.state().to_owned(),
                revision: revision.as_ref().map(|revision| revision.id().to_string()),
                calls: tally.calls,
                failures: tally.failures,
                fuel: tally.fuel,
                running: revision.as_ref().map_or(0, |revision| count(revision.running())),
                waiting: revision.as_ref().map_or(0, |revision| count(revision.waiting())),
                processes: Self::processes_of(&counts, name),
            }
        });
        let (totals, limits) = (service.processes.totals(), service.limits());
        let uptime = self.0.uptime();
        NodeFigures {
            name: self.0.manifest.load().host.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
            cores: machine::cores(),
            cpu_ms: machine::cpu_ms(),
            rss_bytes: machine::rss(),
            memory_bytes: machine::memory(),
            plugins: plugins.collect(),
            processes: Some(ProcessTotals {
                processes: count(totals.processes),
                processes_max: count(limits.processes_max),
                live: count(totals.live),
                live_max: count(limits.live_max),
                resting: count(self.0.runtime.resting()),
                state_bytes: totals.state_bytes,
                state_bytes_max: limits.state_bytes_max.0,
                waking: count(totals.waking),
                timers: count(totals.timers),
                messages: totals.messages,
                crashes: totals.crashes,
            }),
            sockets: Some(self.socket_totals()),
        }
    }
}
