//! `skep:plugin/task-handler`: work beside the plugin's calls.

use std::sync::Arc;
use std::time::Duration;

use skep_types::{Call, Failure};
use wasmtime::Store;

use crate::drive::errand::Errand;
use crate::linked::{Guest, Role};
use crate::revision::Revision;
use crate::state::CallState;

impl Revision {
    /// Runs a task in a fresh instance, under the plugin's limits and within `deadline`. Dropping the future cancels the
    /// guest. The end of the call is reported once, whatever it is.
    ///
    /// # Errors
    /// Every way for the call to end without a result; the inner error is the guest's own word.
    pub async fn run_task(
        self: &Arc<Self>,
        call: Call,
        deadline: Duration,
        name: &str,
        args: &[u8],
    ) -> Result<Result<Vec<u8>, String>, Failure> {
        self.run_errand(call, deadline, Run { name, args, level: 0 }, Ok).await
    }

    /// The same for a task whose caller waits for it, being a task itself from level 1 on.
    pub(crate) async fn run_mapped_task(
        self: &Arc<Self>,
        call: Call,
        deadline: Duration,
        level: usize,
        (name, args): (&str, &[u8]),
    ) -> Result<Result<Vec<u8>, String>, Failure> {
        self.run_errand(call, deadline, Run { name, args, level }, Ok).await
    }

    /// The names of the plugin's tasks, as the component declares them.
    pub(crate) async fn ask_task_names(self: &Arc<Self>, call: Call) -> Result<Vec<String>, Failure> {
        self.run_errand(call, self.limits().deadline, Names, Ok).await
    }
}

struct Run<'a> {
    name: &'a str,
    args: &'a [u8],
    level: usize,
}

impl Errand for Run<'_> {
    type Answer = Result<Vec<u8>, String>;
    const ROLE: Role = Role::Task;

    fn level(&self) -> usize {
        self.level
    }

    fn charge(&self) -> usize {
        self.name.len() + self.args.len()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Tasks(guest) = guest else { return None };
        store.data_mut().task_level = self.level + 1;
        Some(guest.skep_plugin_task_handler().call_run(store, self.name, self.args).await)
    }
}

struct Names;

impl Errand for Names {
    type Answer = Vec<String>;
    const ROLE: Role = Role::Task;

    fn charge(&self) -> usize {
        0
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Tasks(guest) = guest else { return None };
        Some(guest.skep_plugin_task_handler().call_names(store).await)
    }
}
