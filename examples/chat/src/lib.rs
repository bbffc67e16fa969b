//! A chat: rooms, who is there, who types, and what was said before. Phoenix's own client talks to it.

mod room;
mod said;

use said::Said;
use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

/// The name has the version in it, so a browser asks once.
const SCRIPT: [(&str, &str); 2] =
    [("content-type", "text/javascript; charset=utf-8"), ("cache-control", "public, max-age=31536000, immutable")];
const NAME_CHARS_MAX: usize = 30;

#[skep::http]
fn app() -> Router {
    Router::new()
        .get("/", || Html(include_str!("../web/page.html")))
        .get("/static/phoenix-1.8.9.min.js", || (SCRIPT, include_str!("../web/phoenix-1.8.9.min.js")))
        .post("/rooms/{room}/announcements", announce)
}

/// What every channel of a socket knows of its client.
#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

/// A browser opens its socket: `new Phoenix.Socket("/socket", {params: {name}})`.
#[skep::socket]
fn connect(Query(user): Query<User>) -> Result<Connected> {
    // A socket's name is under the rules of topics.
    let name = text(&user.name, NAME_CHARS_MAX).filter(|name| !name.contains('*'));
    let name = name.reject(StatusCode::BAD_REQUEST, "a name has 1 to 30 characters, and no `*`")?;
    Ok(Connected::new(&User { name: name.clone() }).id(format!("user:{name}")))
}

#[derive(Deserialize)]
struct Announcement {
    body: String,
}

/// Somebody who has no socket tells a room.
fn announce(Path(room): Path<String>, Form(Announcement { body }): Form<Announcement>) -> Result<StatusCode> {
    let said = Said::keep(&room, "the house", &body)?;
    channel::broadcast(&format!("room:{room}"), "new_msg", &said)?;
    Ok(StatusCode::ACCEPTED)
}

/// What somebody typed, without the blanks around it, if it is something and not too long.
fn text(typed: &str, chars_max: usize) -> Option<String> {
    let typed = typed.trim();
    let fits = !typed.is_empty() && typed.chars().count() <= chars_max && !typed.contains(char::is_control);
    fits.then(|| typed.to_owned())
}

#[cfg(test)]
mod tests;
