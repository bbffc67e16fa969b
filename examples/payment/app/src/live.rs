//! The page that waits: its connection is the host's, and takes no instance of the plugin.

use skep_sdk::prelude::*;

use crate::payment::{self, Payment, State};

/// The outcome comes over the stream when it is there. What is published while this runs is not lost, so there is no gap
/// between the look at the payment and the stream; whoever comes late gets the outcome at once.
#[skep::event_stream]
pub fn open(Path(id): Path<u64>) -> Result<EventStream> {
    let payment: Payment = store::get(&payment::key(id))?.status(StatusCode::NOT_FOUND)?;
    let stream = EventStream::new();
    Ok(match payment.state {
        State::Pending => stream,
        State::Paid | State::Refused => stream.first(Event::json("outcome", &payment)?),
    })
}
