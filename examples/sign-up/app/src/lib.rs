//! Signs people up, and sends each of them a mail: in a job, which is tried again until the mail server takes it.

#[cfg(not(target_arch = "wasm32"))]
mod double;
mod greeting;
mod mail;

use greeting::{SignUp, welcome};
use skep_sdk::{
    jobs::{JobId, State},
    prelude::*,
};

#[skep::http]
fn app() -> Router {
    Router::new()
        .get("/", || Html(include_str!("../web/page.html")))
        .post("/sign-ups", sign_up)
        .get("/sign-ups/{id}", show)
}

/// Answers at once: whether the mail server is there is nothing that a visitor should wait for.
fn sign_up(Form(new): Form<SignUp>) -> Result<Redirect> {
    let address = new.address.trim();
    if !address.contains('@') {
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, "an address has an @"));
    }
    // Whoever clicks twice gets one mail.
    let job = welcome::job(&SignUp { address: address.to_owned() }).unique_for(greeting::HOUR).enqueue()?;
    Ok(Redirect::to(format!("/sign-ups/{}", job.id)))
}

/// What has become of the mail. The page asks again every second until it is sent.
fn show(Path(id): Path<JobId>) -> Result<impl IntoResponse> {
    let mail = jobs::get(id)?.status(StatusCode::NOT_FOUND)?;
    let text = match mail.state {
        State::Completed => format!("Your mail is on its way. Attempts: {}.\n", mail.attempt),
        State::Cancelled | State::Discarded => "We could not send you a mail. Is the address right?\n".to_owned(),
        _ => format!("Your mail waits to be sent. Attempts: {} of {}.\n", mail.attempt, mail.max_attempts),
    };
    let mut headers = HeaderMap::new();
    if !mail.state.is_final() {
        headers.insert(header::REFRESH, HeaderValue::from_static("1"));
    }
    Ok((headers, text))
}

#[cfg(test)]
mod tests;
