//! A round: all that has changed by now, in commits.

use skep_cache::{Batch, Bucket, Outcome};
use skep_store::CommitError;

use crate::place::Place;

/// Keys of a commit: as many writes as one may have.
const KEYS_MAX: usize = 1_000;
/// Bytes of a commit; one entry may pass it.
const BYTES_MAX: usize = 4 << 20;
/// Entries that are refused one by one before a round gives up: by then it is the rule, not an exception.
const REFUSED_MAX: u32 = 16;

/// A round did not get to its end. What it did not write is still noted as changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store takes no entry like this, or no more of the plugin's: its quota is used up. The others were written.
    #[error("{0}")]
    Refused(skep_store::Error),
    /// The store cannot write or read now.
    #[error("{0}")]
    Failed(skep_store::Error),
}

/// Entries that the store refused in a round.
#[derive(Default)]
struct Refused {
    count: u32,
    first: Option<skep_store::Error>,
}

/// What came of a commit.
enum Written {
    Done,
    Refused(skep_store::Error),
    Failed(skep_store::Error),
}

impl Place {
    /// Writes what has changed by now. What changes meanwhile may wait for the next round, so that this one ends.
    pub(crate) async fn write_changes(&self, bucket: &Bucket) -> Result<(), Error> {
        let (mut left, mut refused) = (bucket.dirty(), Refused::default());
        while left > 0
            && refused.count < REFUSED_MAX
            && let Some(batch) = bucket.take_changes(KEYS_MAX, BYTES_MAX)
        {
            left = left.saturating_sub(batch.changed().len() as u64);
            self.write_batch(batch, &mut refused).await?;
        }
        refused.first.map_or(Ok(()), |error| Err(Error::Refused(error)))
    }

    /// Writes a batch whole if it can, and if the store refuses it in parts, so that one entry does not keep the others from
    /// it, and that as much is written as there is room for.
    async fn write_batch(&self, mut batch: Batch, refused: &mut Refused) -> Result<(), Error> {
        let mut size = batch.changed().len();
        while !batch.changed().is_empty() && refused.count < REFUSED_MAX {
            size = size.min(batch.changed().len());
            match self.commit(batch.changed().get(..size).unwrap_or_default()).await {
                Written::Done => {
                    batch.settle(size, Outcome::Written);
                    size = size.saturating_mul(2);
                }
                Written::Refused(_) if size > 1 => size /= 2,
                Written::Refused(error) => {
                    batch.settle(1, Outcome::NotWritten);
                    refused.first.get_or_insert(error);
                    refused.count += 1;
                }
                Written::Failed(error) => {
                    let unknown = error == skep_store::Error::OutcomeUnknown;
                    batch.settle(size, if unknown { Outcome::Unknown } else { Outcome::NotWritten });
                    batch.settle(usize::MAX, Outcome::NotWritten);
                    return Err(Error::Failed(error));
                }
            }
        }
        batch.settle(usize::MAX, Outcome::NotWritten);
        Ok(())
    }

    async fn commit(&self, changed: &[skep_cache::Changed]) -> Written {
        use skep_store::Error as Kept;
        match self.write(changed).await {
            Ok(()) => Written::Done,
            Err(CommitError::Store(error @ (Kept::Quota(_) | Kept::TooLarge(_) | Kept::Invalid(_)))) => {
                Written::Refused(error)
            }
            Err(CommitError::Store(error)) => Written::Failed(error),
            // It checks nothing, has no jobs and is no turn of a process.
            Err(error) => Written::Failed(Kept::Invalid(error.to_string())),
        }
    }

    /// Has the bucket delete from the store what only the store has.
    pub(crate) async fn compare(&self, bucket: &Bucket) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.page(after.take(), true).await.map_err(Error::Failed)?;
            for item in &page.items {
                bucket.note_stored(self.key_of(&item.key));
            }
            match page.items.into_iter().last().filter(|_| page.more) {
                Some(last) => after = Some(last.key),
                None => return Ok(()),
            }
        }
    }
}
