//! A live dashboard without a single-page app: pieces of HTML over server-sent events.

mod live;
mod order;
mod packing;

use packing::pack;
use serde::Deserialize;
use skep_sdk::prelude::*;

/// What everybody sees.
const FIELD_CHARS_MAX: usize = 60;

/// The names have the versions in them, so a browser asks once.
const SCRIPT: [(&str, &str); 2] =
    [("content-type", "text/javascript; charset=utf-8"), ("cache-control", "public, max-age=31536000, immutable")];

#[skep::http]
fn app() -> Router {
    Router::new()
        .get("/", || Html(include_str!("../web/page.html")))
        .get("/static/htmx-2.0.11.min.js", || (SCRIPT, include_str!("../web/htmx-2.0.11.min.js")))
        .get("/static/htmx-ext-sse-2.2.4.min.js", || (SCRIPT, include_str!("../web/htmx-ext-sse-2.2.4.min.js")))
        .post("/orders", place)
}

#[derive(Deserialize)]
struct NewOrder {
    item: String,
    customer: String,
}

/// Answers nothing: the order comes over the event stream, to whoever placed it as to everybody else.
fn place(Form(new): Form<NewOrder>) -> Result<StatusCode> {
    let order = order::place(field(&new.item)?, field(&new.customer)?)?;
    pack::start(&order.id)?;
    Ok(StatusCode::NO_CONTENT)
}

fn field(text: &str) -> Result<&str> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > FIELD_CHARS_MAX {
        return Err(Error::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "an order has an item and a name of 1 to 60 characters",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
