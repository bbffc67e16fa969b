//! Ways to end a call without a proper answer, or with more than one.

use wasip2::http::types::{ErrorCode, Fields, OutgoingResponse, ResponseOutparam};

use crate::Call;

/// The status only reaches the host where it offers `exit-with-code`, which is unstable in WASI 0.2: others learn of
/// success or failure.
pub(crate) fn exit(call: Call) -> ! {
    let code = i32::try_from(call.query.number("code", 3)).unwrap_or(3);
    std::process::exit(code)
}

/// Drops the outparam in place of setting it, and returns as if all were well.
pub(crate) fn no_answer(call: Call) {
    drop(call.out);
}

/// Answers properly, then once more with the handle that the first answer used up.
pub(crate) fn answer_twice(call: Call) {
    let used = call.out.handle();
    call.out.text(200, "first");
    // SAFETY: the handle is no longer ours, which is the point: the host has to see through it. Should the host have
    // given its number to another resource, the canonical ABI's type check traps as well, so no memory is at stake.
    let again = unsafe { ResponseOutparam::from_handle(used) };
    ResponseOutparam::set(again, Ok(OutgoingResponse::new(Fields::new())));
}

/// Uses the other half of the outparam's result: an error where a response should be.
pub(crate) fn answer_error(call: Call) {
    call.out.refuse(ErrorCode::InternalError(Some("the route asked for an error".to_owned())));
}
