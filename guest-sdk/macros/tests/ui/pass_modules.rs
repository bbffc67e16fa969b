#![deny(warnings, missing_docs)]
//! Several of each, in modules.

use skep_sdk::{prelude::*, test};

/// What is listened to.
#[skep::subscribers]
mod listeners {
    use skep_sdk::prelude::*;

    const PREFIX: &str = "seen";

    /// A value.
    #[subscribe("numbers:*")]
    pub(crate) fn on_number(number: u32) -> Result<()> {
        tell(&number.to_string())
    }

    #[subscribe("shop/orders:42")]
    fn on_order(_: Message) -> Result<()> {
        Ok(())
    }

    #[skep::subscribe("batches:*")]
    pub(super) fn on_batch(messages: &[Message]) -> Result<()> {
        tell(&messages.len().to_string())
    }

    fn tell(text: &str) -> Result<()> {
        pubsub::publish(PREFIX, text).map(drop)
    }
}

/// What is done.
#[skep::tasks]
pub mod work {
    use skep_sdk::prelude::*;

    /// Public.
    #[task]
    pub fn square(number: u32) -> Result<u32> {
        Ok(number * number)
    }

    #[task]
    pub(crate) fn nothing() -> Result<()> {
        Ok(())
    }

    #[task]
    fn never_used(_: u8) -> Result<()> {
        Ok(())
    }
}

/// What must be done.
#[skep::jobs]
pub mod duties {
    use skep_sdk::{jobs::JobId, prelude::*};

    /// With all there is to say.
    #[job(queue = "sums", max_attempts = 3, priority = 9, timeout = "1m30s")]
    pub fn add(numbers: (u32, u32), job: &Job) -> JobResult<(u32, JobId)> {
        Ok((numbers.0 + numbers.1, job.id))
    }

    #[skep::job]
    pub(crate) fn nothing() -> Result<()> {
        Ok(())
    }

    #[job()]
    fn who(job: &Job) -> Result<u16, std::num::ParseIntError> {
        "7".parse::<u16>().map(|number| number + job.attempt)
    }

    pub(crate) fn all() -> Result<()> {
        who::job(&()).enqueue()?;
        nothing::enqueue(&())?;
        Ok(())
    }
}

fn main() {
    use duties::add;
    use work::square;

    test::deliver(listeners::on_number, "numbers:1", &7).unwrap();
    test::deliver(listeners::on_batch, "batches:1", &7).unwrap();
    assert_eq!(test::published().len(), 2);
    let squares: Result<Vec<_>, _> = square::map([1, 2, 3]).concurrency(2).ordered().unwrap().collect();
    assert_eq!((squares, square(4).unwrap()), (Ok(vec![1, 4, 9]), 16));
    work::nothing::start(&()).unwrap();
    assert_eq!(test::started(), ["nothing"]);
    let job = add::enqueue(&(3, 4)).unwrap();
    assert_eq!(add::await_output(job.id, std::time::Duration::ZERO).unwrap(), (7, job.id));
    assert_eq!(add((3, 4), &test::job()).unwrap().0, 7);
    duties::all().unwrap();
    assert_eq!(test::perform_jobs(), 2);
    assert_eq!(test::jobs()[1].output::<u16>(), Some(8));
}
