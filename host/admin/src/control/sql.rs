//! The port to the node's databases. A database goes by `PLUGIN/DATABASE`.

use super::{ControlError, ControlFuture};
use crate::api::{DatabaseAnswer, DatabaseStatus, MigrationStatus};

/// Databases that can be administered.
pub trait SqlControl: Send + Sync + 'static {
    /// All databases, by name.
    fn databases(&self) -> Vec<DatabaseStatus>;

    /// One database.
    ///
    /// # Errors
    /// When there is no such database.
    fn database(&self, database: &str) -> Result<DatabaseStatus, ControlError>;

    /// Its migrations, in their order.
    fn database_migrations(&self, database: String) -> ControlFuture<Vec<MigrationStatus>>;

    /// Asks it something. Nothing is changed by it.
    fn database_query(&self, database: String, statement: String) -> ControlFuture<DatabaseAnswer>;
}
