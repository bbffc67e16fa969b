//! Which ends of calls are failures of a handler, and whose.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use skep_supervision::Outcome;
use skep_types::Failure;
use skep_web::network;

/// Judges calls. Clients are hashed with a seed of this judge's own, so that nobody can choose addresses that look like
/// one client, or like many.
#[derive(Default)]
pub(crate) struct Judge {
    hasher: RandomState,
}

impl Judge {
    /// What a call says of its handler.
    ///
    /// A failure is what [`is_plugins_fault`](skep_types::FailureKind::is_plugins_fault) says: traps, limits, answers
    /// that are none. An answer that the guest wrote is an answer, a 500 too: the guest is alive and says what it has to
    /// say, and the host does not know better. What the client, the operator or the host did (it left, asked too often,
    /// sent too much, found all busy, met a retired revision) says nothing.
    pub(crate) fn outcome(&self, outcome: Result<(), &Failure>, client: Option<IpAddr>) -> Outcome {
        match outcome {
            Ok(()) => Outcome::Ok,
            Err(failure) if failure.kind.is_plugins_fault() => {
                Outcome::Failed { client: client.and_then(|client| self.hash(client)) }
            }
            Err(_) => Outcome::Ignored,
        }
    }

    /// An IPv6 client is its /64, as for rate limits. No client waits for a message or a warmer, whose address is
    /// unspecified.
    fn hash(&self, client: IpAddr) -> Option<u64> {
        (!client.is_unspecified()).then(|| self.hasher.hash_one(network(client)))
    }
}

#[cfg(test)]
mod tests {
    use skep_types::{FailureKind, Phase};

    use super::*;

    fn judged(judge: &Judge, kind: FailureKind, client: &str) -> Outcome {
        judge.outcome(Err(&Failure::new(kind, Phase::Handle, "")), Some(client.parse().unwrap()))
    }

    #[test]
    fn only_what_is_the_plugins_fault_counts() {
        let judge = Judge::default();
        assert_eq!(judge.outcome(Ok(()), None), Outcome::Ok);
        for kind in FailureKind::ALL {
            let failed = matches!(judged(&judge, kind, "10.0.0.1"), Outcome::Failed { .. });
            assert_eq!(failed, kind.is_plugins_fault(), "{kind}");
        }
        for kind in [FailureKind::Overloaded, FailureKind::ClientGone, FailureKind::Retired, FailureKind::BreakerOpen] {
            assert_eq!(judged(&judge, kind, "10.0.0.1"), Outcome::Ignored, "{kind}");
        }
    }

    #[test]
    fn a_client_is_an_address_or_a_network() {
        let judge = Judge::default();
        let of = |client| judged(&judge, FailureKind::Trap, client);
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("0.0.0.0"), Outcome::Failed { client: None });
        let seeded_otherwise = judged(&Judge::default(), FailureKind::Trap, "10.0.0.1");
        assert_ne!(of("10.0.0.1"), seeded_otherwise);
    }
}
