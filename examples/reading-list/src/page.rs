//! The page: rendered once for all who ask, and again when something was written.

use std::time::Duration;

use skep_sdk::prelude::*;

use crate::books::{self, Book};

const KEY: &str = "list";
/// Whoever writes forgets the page, so this is for what is written by others: `skep sql` only reads, but a PostgreSQL has more
/// than one program that asks it.
const FRESH: Duration = Duration::from_secs(60);

/// A thousand visitors at once are one question to the database: one of them renders, and the others wait for that.
pub fn show() -> Result<Html<String>> {
    Ok(Html(cache::bucket("pages")?.get_or_fill(KEY, FRESH, render)?))
}

/// To be called when a write is committed. Whoever is rendering at this moment has read what was before, and keeps nothing.
pub fn forget() -> Result<()> {
    cache::bucket("pages")?.delete(KEY)?;
    Ok(())
}

fn render() -> Result<String> {
    let rows: String = books::all()?.iter().map(row).collect();
    Ok(format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Reading list</title>
<h1>What we want to read</h1>
<table>
{rows}</table>
<form method="post" action="/books">
  <input name="title" placeholder="Title" required autofocus>
  <input name="author" placeholder="Author" required>
  <button>Add</button>
</form>
"#
    ))
}

fn row(book: &Book) -> String {
    let Book { id, title, author, finished, votes } = book;
    let (title, author) = (escaped(title), escaped(author));
    if *finished {
        return format!("<tr><td><s>{title}</s><td>{author}<td>read\n");
    }
    let button =
        |path, text| format!(r#"<form method="post" action="/books/{id}/{path}"><button>{text}</button></form>"#);
    format!(
        "<tr><td>{title}<td>{author}<td>{votes}<td>{}<td>{}\n",
        button("votes", "Me too"),
        button("finish", "Read it")
    )
}

/// What visitors wrote is text, and not HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
