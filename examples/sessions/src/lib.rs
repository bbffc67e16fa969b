//! Logs visitors in, greets them, and shows a ranking that is slow to compute.

mod board;
mod session;

use serde::Deserialize;
use session::{COOKIE, Session};
use skep_sdk::{cookie::SameSite, prelude::*};

/// A name is shown to everybody on the board.
const NAME_CHARS_MAX: usize = 40;

#[skep::http]
fn app() -> Router {
    Router::new().get("/", greet).get("/board", board::show).post("/login", login).post("/logout", logout)
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// A real login checks a password here.
fn login(Form(login): Form<Login>) -> Result<impl IntoResponse> {
    let name = login.name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "a name has 1 to 40 characters"));
    }
    let id = session::start(name)?;
    // Where clients come by HTTPS only, add `.secure(true)`.
    let cookie = Cookie::build((COOKIE, id)).path("/").http_only(true).same_site(SameSite::Lax);
    Ok((Cookies::new().add(cookie), Redirect::to("/")))
}

/// The session is an argument: without one the client is told to log in, and this does not run.
fn greet(session: Session) -> Result<String> {
    let visits = session.visit()?;
    board::count(session.user())?;
    Ok(format!("Hello {}, visit {visits}.\n", session.user()))
}

fn logout(session: Session) -> Result<impl IntoResponse> {
    session.end()?;
    Ok((Cookies::new().remove(Cookie::build(COOKIE).path("/")), "Goodbye.\n"))
}

#[cfg(test)]
mod tests;
