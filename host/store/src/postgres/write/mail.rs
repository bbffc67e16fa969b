//! Mail to processes: posted, handled, deleted.

use super::commit::AllUses;
use crate::commit::{Commit, Outgoing};
use crate::error::Error;
use crate::mail::MailId;
use crate::postgres::fault::{Stop, refuse};
use crate::postgres::tx::{Tx, Wants};

pub(super) fn want(_: &Commit, _: &mut Wants<'_>) {}

/// Writes a commit's mail. What it counts for is added to `uses`.
pub(super) fn add<'a>(_: &mut Tx<'_>, commit: &'a Commit, _: &mut AllUses<'a>) -> Result<Vec<MailId>, Stop<Error>> {
    if commit.messages.iter().any(|message| matches!(message, Outgoing::Mail(_))) {
        return refuse(Error::Unavailable("no mail yet".to_owned()));
    }
    Ok(Vec::new())
}
