//! Every way for an operation to be refused.

/// An operation was refused. Nothing was changed and nobody was told anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data passes the limit of so many bytes.
    #[error("the message is too large: the limit is {0} bytes")]
    TooLarge(u64),
    /// There are as many topics or subscriptions as the host allows.
    #[error("full: {0}")]
    Full(&'static str),
    /// The arguments make no sense.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// Nothing is retained of the topic.
    #[error("not retained: the topic has no log")]
    NotRetained,
}
