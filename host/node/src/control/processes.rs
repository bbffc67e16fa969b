//! The admin listener's view of processes.

use std::sync::Arc;
use std::time::Duration;

use skep_admin::api::{
    KindStatus, MonitorStatus, ProcessCounts, ProcessDetail, ProcessDone, ProcessFilter, ProcessOp, ProcessPage,
    ProcessSort, ProcessState, ProcessStatus, TimerStatus,
};
use skep_admin::{ControlError, ControlFuture, ProcessControl};
use skep_process::{
    Error, Failure, Filter, Inspection, Persistence, Pid, ProcessView, Processes, Reason, Sort, Target,
};
use skep_types::{HandlerName, PluginName};

use super::{NodeControl, detached};
use crate::plugin::Plugin;

/// Processes that are given at once.
const PAGE_MAX: usize = 1000;
/// Names that are shown to who asks for one that is not there.
const NEAR_MAX: usize = 5;

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn state(state: skep_process::ProcessState) -> ProcessState {
    let all = skep_process::ProcessState::ALL;
    let at = all.iter().position(|known| *known == state);
    at.and_then(|at| ProcessState::ALL.get(at)).copied().unwrap_or(ProcessState::Idle)
}

fn engine_state(state: ProcessState) -> Option<skep_process::ProcessState> {
    let at = ProcessState::ALL.iter().position(|known| *known == state)?;
    skep_process::ProcessState::ALL.get(at).copied()
}

fn status(view: &ProcessView) -> ProcessStatus {
    ProcessStatus {
        pid: view.pid.to_string(),
        plugin: view.pid.plugin.to_string(),
        kind: view.pid.kind.to_string(),
        name: view.name.as_deref().map(str::to_owned),
        state: state(view.state),
        mailbox: view.mailbox,
        memory: view.memory,
        messages: view.messages,
        crashes: view.crashes,
        trouble: view.trouble.as_ref().map(ToString::to_string),
    }
}

fn persistence(persistence: Persistence) -> String {
    match persistence {
        Persistence::None => "none",
        Persistence::Snapshot { .. } => "snapshot",
        Persistence::Durable => "durable",
        Persistence::EventLog { .. } => "event-log",
    }
    .to_owned()
}

fn detail(found: Inspection) -> ProcessDetail {
    let timer = |(id, due): (skep_process::TimerId, Duration)| TimerStatus { id: id.0, due_in_ms: millis(due) };
    let monitor = |(reference, pid): (skep_process::MonitorRef, Pid)| MonitorStatus {
        reference: reference.0,
        pid: pid.to_string(),
    };
    ProcessDetail {
        process: status(&found.view),
        persistence: persistence(found.persistence),
        version: found.version,
        upgrade_failed: found.upgrade_failed.map(|reason| reason.to_string()),
        keeps_before: found.keeps_before,
        idle_ms: millis(found.idle),
        again_in_ms: found.again_in.map(millis),
        timers: found.timers.into_iter().map(timer).collect(),
        monitors: found.monitors.into_iter().map(monitor).collect(),
        watchers: count(found.watchers),
        links: found.links.iter().map(ToString::to_string).collect(),
        traps_exits: found.traps_exits,
        subscriptions: found.subscriptions.iter().map(ToString::to_string).collect(),
        late: count(found.late),
        waits_for: found.waits_for.map(|pid| pid.to_string()),
    }
}

fn unavailable(error: &Error) -> ControlError {
    ControlError::Unavailable(format!("the store has to be asked for this process: {error}"))
}

/// Which process an operator means: what reads as a pid is one if there is such a process, and otherwise a name.
async fn find(processes: &Processes, plugins: &[PluginName], text: &str) -> Result<Pid, ControlError> {
    if let Ok(pid) = text.parse::<Pid>() {
        let known = processes.known(&Target::Pid(pid.clone())).await.map_err(|error| unavailable(&error))?;
        if let Some(pid) = known {
            return Ok(pid);
        }
    }
    let (plugin, name) = text.split_once('/').unwrap_or((text, ""));
    let Some(plugin) = plugins.iter().find(|known| known.as_str() == plugin) else {
        let known: Vec<_> = plugins.iter().map(ToString::to_string).collect();
        return Err(ControlError::NotFound(format!("there is no plugin `{plugin}`; there are: {}", known.join(", "))));
    };
    let found = processes.whereis(plugin, name).await;
    match found {
        Ok(Some(pid)) => Ok(pid),
        // A text that can be no name is one that nobody has.
        Ok(None) | Err(Error::Invalid(_)) => Err(nobody(processes, plugin, name).await),
        Err(error) => Err(unavailable(&error)),
    }
}

/// Nobody has this name; some have one that begins as it does.
async fn nobody(processes: &Processes, plugin: &PluginName, name: &str) -> ControlError {
    let mut prefix = name;
    loop {
        let near = processes.list(plugin, prefix, None, NEAR_MAX).await.unwrap_or_default();
        let near: Vec<_> = near.processes.iter().map(|near| format!("{plugin}/{}", near.name)).collect();
        if !near.is_empty() {
            let text = format!("there is no process `{plugin}/{name}`; there are, for example: {}", near.join(", "));
            return ControlError::NotFound(text);
        }
        if prefix.is_empty() {
            return ControlError::NotFound(format!(
                "there is no process `{plugin}/{name}`; none of `{plugin}` has a name"
            ));
        }
        prefix = prefix.get(..prefix.floor_char_boundary(prefix.len() / 2)).unwrap_or_default();
    }
}

impl NodeControl {
    fn engine(&self) -> Processes {
        self.0.services.processes.processes.clone()
    }

    fn plugin_names(&self) -> Vec<PluginName> {
        self.0.plugins().keys().cloned().collect()
    }

    /// The engine's filter, if there is such a plugin and such a kind.
    fn filter(&self, filter: &ProcessFilter) -> Result<Filter, ControlError> {
        let plugin = filter.plugin.as_deref().map(|name| self.plugin(name)).transpose()?;
        if let (Some(plugin), Some(kind)) = (&plugin, &filter.kind) {
            let kinds = kinds(plugin);
            if !kinds.iter().any(|known| known == kind) {
                let text = format!("`{}` has no kind `{kind}`; there are: {}", plugin.name(), kinds.join(", "));
                return Err(ControlError::NotFound(text));
            }
        }
        Ok(Filter {
            plugin: plugin.map(|plugin| plugin.name().clone()),
            kind: filter.kind.as_deref().map(Into::into),
            prefix: filter.prefix.clone(),
            state: filter.state.and_then(engine_state),
            ..Filter::default()
        })
    }
}

fn kinds(plugin: &Plugin) -> Vec<String> {
    let revision = plugin.current();
    let declared = revision.iter().flat_map(|revision| revision.declared().processes.iter());
    declared.map(|definition| definition.kind.clone()).collect()
}

impl ProcessControl for NodeControl {
    fn processes(
        &self,
        filter: ProcessFilter,
        sort: ProcessSort,
        cursor: Option<String>,
        limit: usize,
    ) -> ControlFuture<ProcessPage> {
        let (engine, filter) = (self.engine(), self.filter(&filter));
        Box::pin(async move {
            let skip = cursor.as_deref().map(str::parse::<usize>).transpose();
            let skip = skip.map_err(|_| ControlError::Refused("this is no cursor".to_owned()))?.unwrap_or_default();
            let sort = match sort {
                ProcessSort::Name => Sort::Name,
                ProcessSort::Mailbox => Sort::Mailbox,
                ProcessSort::Memory => Sort::Memory,
                ProcessSort::Messages => Sort::Messages,
                ProcessSort::Crashes => Sort::Crashes,
            };
            let filter = Filter { sort, skip, limit: limit.clamp(1, PAGE_MAX), ..filter? };
            // It looks at all of them.
            let page = tokio::task::spawn_blocking(move || engine.page(&filter)).await;
            let page = page.map_err(|error| ControlError::Refused(format!("the host failed: {error}")))?;
            let next = skip + page.processes.len();
            Ok(ProcessPage {
                cursor: (next < page.total && !page.processes.is_empty()).then(|| next.to_string()),
                total: count(page.total),
                processes: page.processes.iter().map(status).collect(),
            })
        })
    }

    fn process(&self, process: String) -> ControlFuture<ProcessDetail> {
        let (engine, plugins) = (self.engine(), self.plugin_names());
        Box::pin(async move {
            let pid = find(&engine, &plugins, &process).await?;
            let found = engine.inspect(&pid);
            found.map(detail).ok_or_else(|| ControlError::NotFound(format!("the process `{pid}` has just ended")))
        })
    }

    fn operate_process(&self, process: String, op: ProcessOp) -> ControlFuture<ProcessDone> {
        let (engine, plugins) = (self.engine(), self.plugin_names());
        detached(async move {
            let pid = find(&engine, &plugins, &process).await?;
            let gone = || ControlError::NotFound(format!("the process `{pid}` has just ended"));
            let name = engine.inspect(&pid).ok_or_else(gone)?.view.name;
            let done = match op {
                ProcessOp::Kill => engine.kill(&pid),
                ProcessOp::Restart => engine.restart(&pid),
                ProcessOp::Stop => match engine.stop(&Target::Pid(pid.clone()), Reason::SHUTDOWN, None).await {
                    Ok(()) => true,
                    Err(Failure::NotFound) => false,
                    Err(failure) => return Err(ControlError::Unavailable(failure.to_string())),
                },
            };
            if !done {
                return Err(gone());
            }
            tracing::info!(process = %pid, name = name.as_deref(), "{} by command", op.as_str());
            Ok(ProcessDone { pid: pid.to_string(), name: name.as_deref().map(str::to_owned) })
        })
    }

    fn process_kinds(&self) -> ControlFuture<Vec<KindStatus>> {
        let (engine, plugins) = (self.engine(), self.0.plugins());
        Box::pin(async move {
            let counts = engine.counts();
            let mut all = Vec::new();
            for (name, plugin) in plugins.iter() {
                let mut names = kinds(plugin);
                let here = counts.iter().filter(|counts| counts.plugin == *name);
                names.extend(here.map(|counts| counts.kind.to_string()));
                names.sort_unstable();
                names.dedup();
                let settings = plugin.settings();
                for kind in names {
                    let Ok(handler) = HandlerName::new(&kind) else { continue };
                    let config = settings.config.process(&handler);
                    let counted = counts.iter().find(|counts| counts.plugin == *name && *counts.kind == *kind);
                    all.push(KindStatus {
                        plugin: name.to_string(),
                        persistence: persistence(crate::processes::persistence(&config)),
                        counts: ProcessCounts::of(counted.map_or([0; 8], |counts| counts.states.map(count))),
                        max: config.max,
                        kind,
                    });
                }
            }
            Ok(all)
        })
    }
}

impl NodeControl {
    /// The plugin's processes in memory.
    pub(super) fn processes_of(counts: &[skep_process::KindCounts], plugin: &PluginName) -> u64 {
        let of_plugin = counts.iter().filter(|counts| counts.plugin == *plugin);
        count(of_plugin.flat_map(|counts| counts.states).sum())
    }

    pub(super) fn shared_engine(&self) -> Arc<crate::processes::ProcessService> {
        Arc::clone(&self.0.services.processes)
    }
}
