//! `skep:plugin/cache-warmer`: a call that nobody waits for but the host.

use std::sync::Arc;

use skep_types::{Call, Failure};
use wasmtime::Store;

use crate::drive::errand::Errand;
use crate::linked::{Guest, Role};
use crate::revision::Revision;
use crate::state::CallState;

impl Revision {
    /// Runs a warmer in a fresh instance, under the plugin's limits: its deadline, its fuel, its concurrency. Dropping
    /// the future cancels the guest. The end of the call is reported once, whatever it is.
    ///
    /// # Errors
    /// Every way for the call to end without a result; the inner error is the guest's own refusal.
    pub async fn run_warmer(self: &Arc<Self>, call: Call, name: &str) -> Result<Result<(), String>, Failure> {
        self.run_errand(call, self.limits().deadline, Warm(name), Ok).await
    }
}

struct Warm<'a>(&'a str);

impl Errand for Warm<'_> {
    type Answer = Result<(), String>;
    const ROLE: Role = Role::Warmer;

    fn charge(&self) -> usize {
        self.0.len()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Warmers(guest) = guest else { return None };
        Some(guest.skep_plugin_cache_warmer().call_warm(store, self.0).await)
    }
}
