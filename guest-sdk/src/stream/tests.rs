//! Yes and no, on both sides of the border.

use super::*;
use crate::{
    __private::bindings::{
        event_streams::exports::skep::plugin::event_stream_handler as wit, imports::skep::plugin::types,
    },
    Error, IntoResponse, Query, Rejection, Request, Response, Result, StatusCode, presence, test,
};

fn request() -> wit::Request {
    wit::Request {
        method: types::Method::Get,
        uri: "http://bees.example/live?a=1".into(),
        captures: None,
        headers: Vec::new(),
        body: None,
    }
}

fn opening() -> wit::Opening {
    wit::Opening { stream: "s-1".into(), topic: "orders:7".into(), last_event_id: Some("3".into()) }
}

#[test]
fn a_yes_crosses_the_border_whole() {
    let decision = open(
        |opening: Opening, request: Request| {
            assert_eq!((opening.stream.as_str(), &*opening.topic), ("s-1", "orders:7"));
            assert_eq!((opening.last_event_id.as_deref(), request.uri().query()), (Some("3"), Some("a=1")));
            EventStream::new()
                .first(Event::html("row", "<tr>").id(4))
                .first(Event::message("hello"))
                .after(4)
                .header("x-a", "b")
        },
        request(),
        opening(),
    );
    let wit::Decision::Accept(accepted) = decision else { panic!("refused") };
    assert_eq!((accepted.headers, accepted.after), (vec![("x-a".to_owned(), b"b".to_vec())], Some(4)));
    let first: Vec<_> =
        accepted.first.iter().map(|event| (event.event.as_deref(), event.id, &event.data[..])).collect();
    assert_eq!(first, [(Some("row"), Some(4), &b"<tr>"[..]), (None, None, b"hello")]);
}

#[test]
fn whatever_answers_can_refuse() {
    fn status<M>(opener: impl Opener<M>) -> u16 {
        match open(opener, request(), opening()) {
            wit::Decision::Refuse(response) => response.status,
            wit::Decision::Accept(_) => 200,
        }
    }
    assert_eq!(status(|| Ok::<_, Error>(EventStream::new())), 200);
    assert_eq!(status(|| Err::<EventStream, _>(StatusCode::FORBIDDEN)), 403);
    assert_eq!(status(|| Err::<EventStream, _>(Rejection::new(StatusCode::GONE, "left", "it left"))), 410);
    assert_eq!(status(|| Err::<EventStream, Error>("no bees".into())), 500);
    #[allow(clippy::result_large_err, reason = "as large as any answer")]
    fn answer() -> Result<EventStream, Response> {
        Err(StatusCode::IM_A_TEAPOT.into_response())
    }
    assert_eq!(status(answer), 418);
    assert_eq!(status(|_: Query<Vec<(u8, u8)>>| EventStream::new()), 400);
    assert_eq!(status(|| EventStream::new().header("x-a", "b\nc")), 500);
}

#[test]
fn presences_end_with_the_stream_and_with_a_refusal() {
    fn open(opening: Opening) -> Result<EventStream> {
        opening.track("maja", &serde_json::json!({}))?;
        if opening.last_event_id.is_some() { Err("no".into()) } else { Ok(EventStream::new()) }
    }
    let stream = test::get("/").open("t", open);
    assert_eq!((stream.first().len(), presence::count("t").unwrap()), (0, 1));
    assert_eq!(test::get("/").header("last-event-id", "7").open("t", open).refused().status().as_u16(), 500);
    assert_eq!(presence::count("t").unwrap(), 1);
    stream.close();
    assert_eq!(presence::count("t").unwrap(), 0);
}

#[test]
fn a_handler_of_requests_has_no_opening() {
    let answer = test::get("/").send(|opening: Opening| opening.topic);
    assert_eq!((answer.status().as_u16(), &*answer.error_code()), (500, "no-event-stream"));
}
