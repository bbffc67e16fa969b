//! The port to the node's supervision: the tree, what happened in it, and what was set aside.

use super::{ControlError, ControlFuture, Lines};
use crate::api::{Cleared, DeadLetter, EventStatus, Resumed, Retried, TreeNode};

/// A supervision tree that can be administered.
pub trait SupervisionControl: Send + Sync + 'static {
    /// The tree, from its root.
    fn tree(&self) -> TreeNode;

    /// The events that are kept, behind this number or from the oldest on; then, if they are followed, those to come. It
    /// ends when the lines are dropped.
    fn events(&self, after: Option<u64>, follow: bool) -> Lines<EventStatus>;

    /// Dead letters, the oldest first: of all plugins, of one, or of one subscription of it.
    ///
    /// # Errors
    /// When there is no such plugin or subscription.
    fn dead_letters(&self, plugin: Option<&str>, subscription: Option<&str>) -> Result<Vec<DeadLetter>, ControlError>;

    /// Gives the dead letters of a subscription to it once more. One that fails again is set aside again.
    fn retry_dead(&self, plugin: String, subscription: String) -> ControlFuture<Retried>;

    /// Forgets the dead letters of a subscription.
    fn clear_dead(&self, plugin: String, subscription: String) -> ControlFuture<Cleared>;

    /// Has a supervisor that backs off or gave up try again now.
    ///
    /// # Errors
    /// When there is no such supervisor, or it does not wait: it runs, or is down with the one above it.
    fn resume(&self, path: &str) -> Result<Resumed, ControlError>;
}
