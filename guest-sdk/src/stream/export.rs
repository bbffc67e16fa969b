//! The border to the host.

use super::{Event, EventStream, Opener, Opening};
use crate::{
    __private::bindings::event_streams::exports::skep::plugin::event_stream_handler as wit,
    IntoResponse,
    presence::Owner,
    web::export::{fields, lift, lower},
};

/// What the exported `open` does.
pub fn open<M>(opener: impl Opener<M>, request: wit::Request, opening: wit::Opening) -> wit::Decision {
    let decision = match lift(request) {
        Ok(mut request) => {
            let wit::Opening { stream, topic, last_event_id } = opening;
            request.extensions_mut().insert(Opening::new(Owner::new(stream), topic, last_event_id));
            opener.open(request)
        }
        Err(rejection) => Err(rejection.into_response()),
    };
    match decision {
        Ok(stream) => wit::Decision::Accept(accepted(stream)),
        Err(response) => wit::Decision::Refuse(lower(response)),
    }
}

fn accepted(stream: EventStream) -> wit::Accepted {
    let first = stream.first.into_iter();
    let first = first.map(|Event { event, id, data }| wit::Event { event: event.map(Into::into), id, data });
    wit::Accepted { headers: fields(&stream.headers), first: first.collect(), after: stream.after }
}
