//! Warmers: what fills a plugin's caches at its start, after each reload, and on an interval.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use metrics::Counter;
use skep_manifest::{WarmerConfig, WarmerName};
use skep_runtime::Revision;
use skep_supervision::{Child, ChildSpec, Restart};
use skep_types::{Call, PluginName, RequestId};
use tokio::sync::watch;

use crate::plugin::Plugin;
use crate::spec::Settings;

/// The name of the counter of warmer runs, by plugin, warmer and outcome: `ok`, `refused` (the guest's own word) or
/// `failed`.
pub const RUNS: &str = "skep_warmer_runs_total";
/// The pause after a first run that failed; it doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause after a run that failed, unless the interval is shorter.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// So many failures in a row of a required warmer give the start up.
const FAILURES_MAX: u32 = 5;

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_counter!(RUNS, "Runs of a plugin's warmers, by outcome");
}

/// What is known of the required warmers of one revision in service.
#[derive(Clone)]
pub(crate) struct Required(watch::Receiver<Progress>);

/// How far the required warmers are.
#[derive(Clone, Debug, Default)]
struct Progress {
    left: usize,
    gave_up: Option<String>,
}

impl Required {
    /// Resolves when every required warmer has succeeded once.
    ///
    /// The error says which one has failed too often; it goes on trying.
    pub(crate) async fn warmed(mut self) -> Result<(), String> {
        // The sender goes with the warmers of a revision that another one has replaced: nobody waits for it then.
        let ended = self.0.wait_for(|progress| progress.left == 0 || progress.gave_up.is_some()).await;
        ended.map_or(Ok(()), |progress| progress.gave_up.clone().map_or(Ok(()), Err))
    }
}

/// The warmers of a plugin: each runs when it is started, and then on its interval. One without an interval ends.
pub(crate) fn children(plugin: &Weak<Plugin>, settings: &Settings) -> (Vec<(String, Child)>, Required) {
    let warmers = &settings.config.warmers;
    let left = warmers.values().filter(|config| config.required).count();
    let (sender, progress) = watch::channel(Progress { left, gave_up: None });
    let children = warmers.iter().map(|(name, config)| {
        let (owner, warmer, config) = (settings.name.clone(), name.clone(), *config);
        let (sender, plugin) = (sender.clone(), Weak::clone(plugin));
        let spec = ChildSpec::worker(name.as_str()).restart(Restart::Transient);
        let child = Child::new(spec, move |context| {
            let warmer = Warmer::new(&owner, &warmer, config, sender.clone());
            let kept_warm = warmer.keep_warm(Weak::clone(&plugin));
            async move {
                // What it holds is given on: the guest in it is dropped.
                tokio::select! {
                    () = context.stopping() => Ok(()),
                    () = kept_warm => Ok(()),
                }
            }
        });
        (name.to_string(), child)
    });
    (children.collect(), Required(progress))
}

struct Warmer {
    plugin: PluginName,
    name: WarmerName,
    config: WarmerConfig,
    progress: watch::Sender<Progress>,
    runs: [Counter; 3],
    failures: u32,
    succeeded: bool,
}

impl Warmer {
    fn new(plugin: &PluginName, name: &WarmerName, config: WarmerConfig, progress: watch::Sender<Progress>) -> Self {
        let counter = |outcome: &'static str| metrics::counter!(RUNS, "plugin" => plugin.to_string(), "warmer" => name.to_string(), "outcome" => outcome);
        Self {
            plugin: plugin.clone(),
            name: name.clone(),
            config,
            progress,
            runs: ["ok", "refused", "failed"].map(counter),
            failures: 0,
            succeeded: false,
        }
    }

    async fn keep_warm(mut self, plugin: Weak<Plugin>) {
        loop {
            let Some(revision) = plugin.upgrade().and_then(|plugin| plugin.current()) else { return };
            let outcome = self.run(&revision).await;
            // A revision in hand would keep it alive through the pause.
            drop(revision);
            let Some(pause) = self.ended(outcome) else { return };
            tokio::time::sleep(pause).await;
        }
    }

    async fn run(&self, revision: &Arc<Revision>) -> Result<(), String> {
        let call = Call {
            id: RequestId::from_bits(fastrand::u64(..)),
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            secure: false,
            captures: Vec::new(),
            hops: 0,
        };
        let [ok, refused, failed] = &self.runs;
        match revision.run_warmer(call, self.name.as_str()).await {
            Ok(Ok(())) => {
                ok.increment(1);
                Ok(())
            }
            Ok(Err(why)) => {
                refused.increment(1);
                Err(why)
            }
            Err(failure) => {
                failed.increment(1);
                Err(failure.to_string())
            }
        }
    }

    /// Notes the end of a run, and tells when the next one is due, if ever.
    fn ended(&mut self, outcome: Result<(), String>) -> Option<Duration> {
        let (plugin, warmer) = (&self.plugin, &self.name);
        match outcome {
            Ok(()) => {
                tracing::debug!(%plugin, %warmer, "warmed");
                self.failures = 0;
                if !std::mem::replace(&mut self.succeeded, true) && self.config.required {
                    self.progress.send_modify(|progress| progress.left = progress.left.saturating_sub(1));
                }
                self.config.every
            }
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                let pause = retry_after(self.failures).min(self.config.every.unwrap_or(RETRY_MAX));
                tracing::warn!(%plugin, %warmer, failures = self.failures, again_in = ?pause, "a warmer failed: {why}");
                if self.config.required && !self.succeeded && self.failures >= FAILURES_MAX {
                    let why = format!(
                        "the required warmer `{warmer}` of plugin `{plugin}` failed {FAILURES_MAX} times: {why}"
                    );
                    self.progress.send_modify(|progress| progress.gave_up = Some(why));
                }
                Some(pause)
            }
        }
    }
}

/// The pause after so many failures in a row.
fn retry_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let seconds = [1, 2, 3, 6, 7, 1000].map(|failures| retry_after(failures).as_secs());
        assert_eq!(seconds, [1, 2, 4, 32, 60, 60]);
    }
}
