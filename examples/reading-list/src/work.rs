//! All writes. Each is a job: kept before the visitor is answered, and tried again until the database has taken it.

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct NewBook {
    pub title: String,
    pub author: String,
}

#[skep::jobs]
pub mod list {
    use skep_sdk::{jobs::JobId, prelude::*};

    use super::NewBook;
    use crate::{books, page};

    /// A job may be done twice, if the host dies before it is written that it is done. So each write has the job's id, which is
    /// the same both times.
    #[job(queue = "books")]
    pub fn add(book: NewBook, job: &Job) -> JobResult {
        books::insert(job.id, &book.title, &book.author)?;
        Ok(page::forget()?)
    }

    #[job(queue = "books")]
    pub fn vote(book: i64, job: &Job) -> JobResult {
        match books::vote(job.id, book) {
            // It will never be there, so nothing is gained by another try.
            Err(error) if error.violation().is_some() => Err(no_book(book, job.id)),
            voted => Ok(voted.and_then(|()| page::forget())?),
        }
    }

    #[job(queue = "books")]
    pub fn finish(book: i64, job: &Job) -> JobResult {
        if books::finish(book)? { Ok(page::forget()?) } else { Err(no_book(book, job.id)) }
    }

    fn no_book(book: i64, job: JobId) -> JobError {
        JobError::cancel(format!("job {job}: there is no book {book}"))
    }
}
