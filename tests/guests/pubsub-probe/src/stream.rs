//! Who may listen: `?deny=1` is refused with 403, `die=1` traps, `spin=1` spins; `user=NAME` is tracked in the stream's
//! topic (with `data=` as JSON) before any of this, `first=TEXT` comes first as the event `first`, `after=ID` goes on behind that message.
//! The headers `x-stream`, `x-topic` and `x-last-event-id` say what the host said.

use hostile_common::Query;
use skep_sdk::{prelude::*, serde_json};

#[skep::event_stream]
fn open(req: Request, opening: Opening) -> Result<EventStream> {
    let query = Query::parse(req.query());
    if let Some(user) = query.get("user") {
        let data: serde_json::Value = serde_json::from_str(query.get("data").unwrap_or("{}"))?;
        opening.track(user, &data)?;
    }
    if query.get("die").is_some() {
        hostile_common::trap();
    }
    if query.get("spin").is_some() {
        hostile_common::spin();
    }
    if query.get("deny").is_some() {
        return Err(Error::new(StatusCode::FORBIDDEN, "you may not listen"));
    }
    let last = opening.last_event_id.as_deref().unwrap_or("none");
    let mut stream = EventStream::new()
        .header("x-stream", opening.stream.as_str())
        .header("x-topic", &opening.topic)
        .header("x-last-event-id", last);
    if let Some(text) = query.get("first") {
        stream = stream.first(Event::html("first", text));
    }
    if let Some(id) = query.get("after").and_then(|id| id.parse().ok()) {
        stream = stream.after(id);
    }
    Ok(stream)
}
