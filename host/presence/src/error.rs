//! Every way for an operation to be refused.

/// An operation was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No guard with this id is held: what should be tracked would have nothing to die with.
    #[error("there is no such owner")]
    NoOwner,
    /// Another guard with this id is held.
    #[error("there is an owner with this id already")]
    OwnerTaken,
    /// The owner is tracked there under this key already (as Phoenix.Tracker's `already_tracked`).
    #[error("the owner is tracked there under this key already")]
    AlreadyTracked,
    /// The owner is not tracked there under this key (as Phoenix.Tracker's `nopresence`).
    #[error("the owner is not tracked there under this key")]
    NotTracked,
    /// A limit of the engine is reached.
    #[error("full: {0}")]
    Full(&'static str),
    /// A key or its data is too long: what, and the limit in bytes.
    #[error("{0} is too long: the limit is {1} bytes")]
    TooLarge(&'static str, usize),
    /// The data is no JSON object.
    #[error("invalid: {0}")]
    Invalid(&'static str),
}
