//! The port to the node's processes.
//!
//! A process goes by its pid (`shop/cart/0c9k3v8d4m000`), or by its plugin and its name (`shop/cart:42`). Names may have slashes:
//! what reads as a pid is one if there is such a process, and otherwise a name.

use super::ControlFuture;
use crate::api::{KindStatus, ProcessDetail, ProcessDone, ProcessFilter, ProcessOp, ProcessPage, ProcessSort};

/// Processes that can be administered.
///
/// Where it says not found, the error says which there are: the plugins, the plugin's kinds, or a few of its names that are
/// near. Each answers [`Unavailable`](super::ControlError::Unavailable) while the store fails that it would have to ask.
pub trait ProcessControl: Send + Sync + 'static {
    /// A page of the processes in memory that pass, in this order, behind the page that gave the cursor: no more than `limit`,
    /// and no more than the node gives at once. It looks at all of them, so it is for people and not for programs. Not found
    /// if there is no such plugin or kind; refused if the cursor is none.
    fn processes(
        &self,
        filter: ProcessFilter,
        sort: ProcessSort,
        cursor: Option<String>,
        limit: usize,
    ) -> ControlFuture<ProcessPage>;

    /// All that is known of a process. One that is only in the store is brought up for it as far as its record, and is not
    /// woken. Not found if there is none.
    fn process(&self, process: String) -> ControlFuture<ProcessDetail>;

    /// Does this with a process, and answers who it was. It returns when a kill or a restart has begun, and when a stop has
    /// ended. Not found if there is none; refused if it cannot be done to it.
    fn operate_process(&self, process: String, op: ProcessOp) -> ControlFuture<ProcessDone>;

    /// The kinds of all plugins and how many processes do what, in the order of plugin and kind: those that the components in
    /// service define, and those of which there are processes.
    fn process_kinds(&self) -> ControlFuture<Vec<KindStatus>>;
}
