//! The port to the sockets of the node's clients.
//!
//! A socket goes by its id. Several may have one name, which their plugin gave them: `PLUGIN/NAME`.

use super::{ControlError, ControlFuture};
use crate::api::{Disconnected, SocketFilter, SocketPage, SocketStatus};

/// Sockets that can be administered. A client that was disconnected comes back by itself, if it is made so, and asks the
/// plugin again.
pub trait SocketControl: Send + Sync + 'static {
    /// A page of the sockets that pass, in the order of their opening, behind the page that gave the cursor: no more than
    /// `limit`, and no more than the node gives at once. It looks at all of them, so it is for people and not for programs.
    /// Not found if there is no such plugin, and the error says which there are; refused if the cursor or the name is none.
    fn sockets(&self, filter: SocketFilter, cursor: Option<String>, limit: usize) -> ControlFuture<SocketPage>;

    /// A socket.
    ///
    /// # Errors
    /// When there is none of this id on this node.
    fn socket(&self, id: &str) -> Result<SocketStatus, ControlError>;

    /// Closes a socket. What waits for its client is written first, if the client reads it in time.
    ///
    /// # Errors
    /// When there is none of this id on this node.
    fn disconnect(&self, id: &str) -> Result<Disconnected, ControlError>;

    /// Closes all sockets of this name, `PLUGIN/NAME`, on all nodes: it is told as Phoenix does it, by a message on the topic
    /// of this name. That there is none on this node is no error, as there may be some on others. Not found if there is no
    /// such plugin; refused if the name is none.
    fn disconnect_named(&self, name: String) -> ControlFuture<Disconnected>;
}
