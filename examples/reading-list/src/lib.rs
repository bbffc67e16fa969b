//! A reading list: which books we want to read, and which of them next.

mod books;
mod page;
mod work;

use serde::Deserialize;
use skep_sdk::prelude::*;

use books::Book;
use work::{NewBook, list};

/// A title or a name is shown to everybody.
const CHARS_MAX: usize = 200;

#[skep::http]
fn app() -> Router {
    Router::new()
        .get("/", page::show)
        .get("/books", search)
        .post("/books", add)
        .post("/books/{id}/votes", vote)
        .post("/books/{id}/finish", finish)
}

/// Answers at once. The job is kept before this returns, and is done however busy the database is.
fn add(Form(new): Form<NewBook>) -> Result<Redirect> {
    let trimmed = NewBook { title: new.title.trim().to_owned(), author: new.author.trim().to_owned() };
    if [&trimmed.title, &trimmed.author].iter().any(|text| text.is_empty() || text.chars().count() > CHARS_MAX) {
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "a title and an author have 1 to 200 characters"));
    }
    list::add::enqueue(&trimmed)?;
    Ok(Redirect::to("/"))
}

fn vote(Path(id): Path<i64>) -> Result<Redirect> {
    list::vote::enqueue(&id)?;
    Ok(Redirect::to("/"))
}

fn finish(Path(id): Path<i64>) -> Result<Redirect> {
    list::finish::enqueue(&id)?;
    Ok(Redirect::to("/"))
}

#[derive(Default, Deserialize)]
struct Search {
    /// A part of a title or of an author's name.
    #[serde(default)]
    q: String,
}

/// For programs, straight from the database.
fn search(Query(search): Query<Search>) -> Result<Json<Vec<Book>>> {
    Ok(Json(books::matching(&search.q)?))
}

#[cfg(test)]
mod tests;
