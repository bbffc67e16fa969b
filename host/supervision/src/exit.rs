//! Every way for a child to end.

/// Why a child ended. Whoever monitors it is told exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExitReason {
    /// It was done.
    #[error("normal")]
    Normal,
    /// It was told to stop, and did; or its supervisor ended in good order.
    #[error("shutdown")]
    Shutdown,
    /// It was cut off: its time to stop was over, or its task was aborted.
    #[error("killed")]
    Killed,
    /// It returned an error.
    #[error("failed: {what}")]
    Failed {
        /// The error, for people.
        what: String,
    },
    /// It panicked.
    #[error("panicked: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// There was no such child when somebody asked to be told of its end (as the `noproc` of an Erlang monitor).
    #[error("no such process")]
    NoProcess,
}

impl ExitReason {
    /// A failure, said in words.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::Failed { what: what.into() }
    }

    /// Whether a transient child that ended so is started again. As in OTP, only `normal` and `shutdown` are not
    /// abnormal; being killed is.
    #[must_use]
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, Self::Normal | Self::Shutdown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_normal_and_shutdown_are_not_abnormal() {
        assert!(!ExitReason::Normal.is_abnormal());
        assert!(!ExitReason::Shutdown.is_abnormal());
        for reason in [
            ExitReason::Killed,
            ExitReason::failed("disk full"),
            ExitReason::Panicked { message: "index out of bounds".into() },
            ExitReason::NoProcess,
        ] {
            assert!(reason.is_abnormal(), "{reason}");
        }
    }
}
