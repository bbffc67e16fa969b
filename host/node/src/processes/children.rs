//! Processes that are there whenever their plugin is, under its supervisor: `host/shop/processes/cart/main`.

use bytes::Bytes;
use skep_manifest::{ProcessConfig, StaticProcess, Strategy};
use skep_process::{Processes, Reason, Spec as ProcessSpec, Target};
use skep_supervision::{Child, ChildContext, ChildSpec, ExitReason, Handle, Restart, Spec, SpecError, Supervisor};
use skep_types::PluginName;

use super::meter::STOP;
use crate::spec::Settings;

/// The name of the supervisor of a plugin's processes.
pub(crate) const PROCESSES: &str = "processes";

/// A process of the manifest, as its supervisor starts it.
#[derive(Clone)]
struct Static {
    processes: Processes,
    plugin: PluginName,
    kind: String,
    process: StaticProcess,
    is_kept: bool,
}

/// Makes the supervisors those that the settings ask for. A kind whose processes or strategy changed is stopped first; one that
/// is the same goes on.
pub(super) async fn apply(
    supervisor: &Handle,
    processes: &Processes,
    settings: &Settings,
    before: &[(String, ProcessConfig)],
    spec: impl Fn(&ProcessConfig) -> Spec,
) -> anyhow::Result<Vec<(String, ProcessConfig)>> {
    let wanted: Vec<_> = settings
        .config
        .processes
        .iter()
        .filter(|(_, config)| !config.start.is_empty())
        .map(|(kind, config)| (kind.to_string(), config.clone()))
        .collect();
    for (kind, _) in before.iter().filter(|running| !wanted.contains(running)) {
        let _ = supervisor.terminate_child(kind.as_str()).await;
        let _ = supervisor.delete_child(kind.as_str()).await;
    }
    for (kind, config) in wanted.iter().filter(|wanted| !before.contains(wanted)) {
        let child = of_kind(processes, &settings.name, kind, config, spec(config))?;
        supervisor.start_child(child).await.map_err(|refused| anyhow::anyhow!("the processes `{kind}`: {refused}"))?;
    }
    Ok(wanted)
}

fn of_kind(
    processes: &Processes,
    plugin: &PluginName,
    kind: &str,
    config: &ProcessConfig,
    spec: Spec,
) -> Result<Child, SpecError> {
    let strategy = match config.strategy {
        Strategy::OneForOne => skep_supervision::Strategy::OneForOne,
        Strategy::OneForAll => skep_supervision::Strategy::OneForAll,
        Strategy::RestForOne => skep_supervision::Strategy::RestForOne,
    };
    let restart = match config.restart {
        skep_manifest::ProcessRestart::Transient => Restart::Transient,
        skep_manifest::ProcessRestart::Permanent => Restart::Permanent,
        skep_manifest::ProcessRestart::Temporary => Restart::Temporary,
    };
    let is_kept = super::kinds::persistence(config).is_kept();
    let children = config.start.iter().map(|process| {
        let this = Static {
            processes: processes.clone(),
            plugin: plugin.clone(),
            kind: kind.to_owned(),
            process: process.clone(),
            is_kept,
        };
        // The others of its kind wait for its `init`, as OTP's do.
        Child::new(ChildSpec::worker(process.name.as_str()).restart(restart), move |context| this.clone().live(context))
            .announces()
    });
    Supervisor::child(ChildSpec::supervisor(kind), Spec { strategy, ..spec }, children.collect())
}

impl Static {
    /// Starts the process, and ends when it does. Told to stop, it stops the process: what is kept of it stays, for the next time.
    async fn live(self, context: ChildContext) -> Result<(), ExitReason> {
        let name = self.process.name.clone();
        let spec = ProcessSpec {
            kind: self.kind.clone(),
            name: Some(name.clone()),
            args: Bytes::from(self.process.args.clone()),
            // Its supervisor decides what follows a crash, by the strategy of all of them.
            supervised: true,
        };
        let started = self.processes.start_or_get(&self.plugin, spec).await;
        let started = started.map_err(|failure| ExitReason::failed(failure.to_string()))?;
        context.ready();
        let target = Target::Pid(started.pid);
        tokio::select! {
            reason = self.processes.ended(&target) => {
                if reason.is_abnormal() { Err(ExitReason::failed(reason.to_string())) } else { Ok(()) }
            }
            () = context.stopping() => {
                if self.is_kept {
                    self.processes.release(&target).await;
                } else {
                    // It is gone already, or is killed for not stopping in time.
                    let _ = self.processes.stop(&target, Reason::SHUTDOWN, Some(STOP)).await;
                }
                Ok(())
            }
        }
    }
}
