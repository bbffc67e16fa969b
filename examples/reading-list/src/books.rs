//! What is asked of the database, and what a row of it is.

use serde::{Deserialize, Serialize};
use skep_sdk::{jobs::JobId, prelude::*};

/// A row, by the names of its columns.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
pub struct Book {
    pub id: i64,
    pub title: String,
    pub author: String,
    pub finished: bool,
    pub votes: u32,
}

/// Those that we want to read most come first, and those that are read last.
const BOOKS: &str = "
    select books.id, title, author, finished, count(votes.id) as votes
    from books left join votes on votes.book = books.id
    where title like ?1 or author like ?1
    group by books.id
    order by finished, votes desc, title";

fn db() -> Result<sql::Database> {
    sql::Database::open("main")
}

pub fn all() -> Result<Vec<Book>> {
    matching("")
}

/// What somebody looks for is a parameter, and never a part of the statement.
pub fn matching(text: &str) -> Result<Vec<Book>> {
    db()?.query_all(BOOKS, params![format!("%{text}%")])
}

/// Returns whether it was not there yet.
pub fn insert(id: JobId, title: &str, author: &str) -> Result<bool> {
    let insert = "insert into books (id, title, author) values (?1, ?2, ?3) on conflict do nothing";
    Ok(db()?.execute(insert, params![id, title, author])? > 0)
}

/// The database itself knows whether there is such a book: the column is a reference.
pub fn vote(id: JobId, book: i64) -> Result<()> {
    db()?.execute("insert into votes (id, book) values (?1, ?2) on conflict (id) do nothing", params![id, book])?;
    Ok(())
}

/// Both or neither: a book that is read is nobody's next one. Returns whether there is such a book.
pub fn finish(book: i64) -> Result<bool> {
    db()?.transaction(|tx| {
        tx.execute("delete from votes where book = ?1", params![book])?;
        Ok::<_, Error>(tx.execute("update books set finished = true where id = ?1", params![book])? > 0)
    })
}
