//! Every way for a call to end without a proper answer: one word for the client, the log and the metrics.

use std::fmt;
use std::time::Duration;

/// Why a call failed. The name is the `code` of the JSON error and the `outcome` label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The call burnt its fuel.
    FuelExhausted,
    /// The first byte of the answer did not come in time.
    Deadline,
    /// A streamed answer made no progress for `stream_idle`.
    StreamIdle,
    /// A streamed answer took longer than `stream_total`.
    StreamTotal,
    /// The guest hit its memory limit and died of it.
    MemoryExhausted,
    /// One host call was given more than `host_memory`, or the guest holds more than `handles`.
    HostMemory,
    /// The guest used up its stack.
    StackOverflow,
    /// Any other trap: unreachable, a bad index, an exit, a broken host call.
    Trap,
    /// The guest returned without an answer.
    NoAnswer,
    /// The guest's answer is not valid HTTP.
    BadAnswer,
    /// The answer is larger than `response_body` or `response_headers`.
    ResponseTooLarge,
    /// The request's body is larger than `request_body`.
    RequestTooLarge,
    /// The client sent a body that is cut off or malformed.
    BadRequest,
    /// The client took the whole deadline to send its request.
    RequestTimeout,
    /// All instances are busy and the queue is full, or waiting took the whole deadline.
    Overloaded,
    /// The client asked more often than `rate_limit` allows.
    RateLimited,
    /// The handler failed too often, and its breaker lets no call through for a while.
    BreakerOpen,
    /// The client went away before the answer was complete.
    ClientGone,
    /// The revision was retired and its drain time is over.
    Retired,
    /// The plugin has no revision that could answer: it is skipped, or none of its builds worked yet.
    NotRunning,
    /// The host itself failed; the operator's log says how.
    Internal,
}

impl FailureKind {
    /// All kinds, for metrics and documentation.
    pub const ALL: [Self; 21] = [
        Self::FuelExhausted,
        Self::Deadline,
        Self::StreamIdle,
        Self::StreamTotal,
        Self::MemoryExhausted,
        Self::HostMemory,
        Self::StackOverflow,
        Self::Trap,
        Self::NoAnswer,
        Self::BadAnswer,
        Self::ResponseTooLarge,
        Self::RequestTooLarge,
        Self::BadRequest,
        Self::RequestTimeout,
        Self::Overloaded,
        Self::RateLimited,
        Self::BreakerOpen,
        Self::ClientGone,
        Self::Retired,
        Self::NotRunning,
        Self::Internal,
    ];

    /// The stable name, in kebab case.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::FuelExhausted => "fuel-exhausted",
            Self::Deadline => "deadline",
            Self::StreamIdle => "stream-idle",
            Self::StreamTotal => "stream-total",
            Self::MemoryExhausted => "memory-exhausted",
            Self::HostMemory => "host-memory-exhausted",
            Self::StackOverflow => "stack-overflow",
            Self::Trap => "trap",
            Self::NoAnswer => "no-answer",
            Self::BadAnswer => "bad-answer",
            Self::ResponseTooLarge => "response-too-large",
            Self::RequestTooLarge => "request-too-large",
            Self::BadRequest => "bad-request",
            Self::RequestTimeout => "request-timeout",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate-limited",
            Self::BreakerOpen => "breaker-open",
            Self::ClientGone => "client-gone",
            Self::Retired => "retired",
            Self::NotRunning => "not-running",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status that a client sees, where headers are not out yet.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::FuelExhausted
            | Self::MemoryExhausted
            | Self::HostMemory
            | Self::StackOverflow
            | Self::Trap
            | Self::Internal => 500,
            Self::NoAnswer | Self::BadAnswer | Self::ResponseTooLarge => 502,
            Self::Overloaded | Self::BreakerOpen | Self::Retired | Self::NotRunning => 503,
            Self::Deadline | Self::StreamIdle | Self::StreamTotal => 504,
            Self::RequestTooLarge => 413,
            Self::BadRequest => 400,
            Self::RequestTimeout => 408,
            Self::RateLimited => 429,
            // nginx's word for it; nobody is there to read it but the access log.
            Self::ClientGone => 499,
        }
    }

    /// What a client may know: no detail of the guest or the host.
    #[must_use]
    pub const fn public_message(self) -> &'static str {
        match self {
            Self::FuelExhausted => "the handler used up its fuel",
            Self::Deadline => "the handler did not answer in time",
            Self::StreamIdle | Self::StreamTotal => "the answer took too long",
            Self::MemoryExhausted => "the handler ran out of memory",
            Self::HostMemory => "the handler asked too much of the host",
            Self::StackOverflow => "the handler ran out of stack",
            Self::Trap => "the handler crashed",
            Self::NoAnswer => "the handler ended without an answer",
            Self::BadAnswer => "the handler's answer is not valid HTTP",
            Self::ResponseTooLarge => "the handler's answer is too large",
            Self::RequestTooLarge => "the request's body is too large",
            Self::BadRequest => "the request's body is malformed or incomplete",
            Self::RequestTimeout => "the request took too long to arrive",
            Self::Overloaded => "the handler is busy, try again later",
            Self::RateLimited => "too many requests, try again later",
            Self::BreakerOpen => "the handler failed too often, try again later",
            Self::ClientGone => "the client closed the connection",
            Self::Retired => "the handler is being replaced, try again",
            Self::NotRunning => "the plugin is not running",
            Self::Internal => "the host failed",
        }
    }

    /// The key of the limit that was hit in the plugin's `limits`, if one was.
    #[must_use]
    pub const fn limit(self) -> Option<&'static str> {
        match self {
            Self::FuelExhausted => Some("fuel"),
            Self::Deadline | Self::RequestTimeout => Some("deadline"),
            Self::StreamIdle => Some("stream_idle"),
            Self::StreamTotal => Some("stream_total"),
            Self::MemoryExhausted => Some("memory"),
            Self::HostMemory => Some("host_memory"),
            Self::ResponseTooLarge => Some("response_body"),
            Self::RequestTooLarge => Some("request_body"),
            Self::Overloaded => Some("concurrency"),
            _ => None,
        }
    }

    /// Whether the plugin is to blame; the others are the client's, the operator's or the host's doing.
    #[must_use]
    pub const fn is_plugins_fault(self) -> bool {
        !matches!(
            self,
            Self::RequestTooLarge
                | Self::BadRequest
                | Self::RequestTimeout
                | Self::Overloaded
                | Self::RateLimited
                | Self::BreakerOpen
                | Self::ClientGone
                | Self::Retired
                | Self::NotRunning
                | Self::Internal
        )
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// How far a call had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Reading the request's body.
    Receive,
    /// Waiting for an instance.
    Queue,
    /// Running the component's start functions.
    Instantiate,
    /// Running the handler, before its headers were out.
    Handle,
    /// Streaming the body.
    Stream,
}

impl Phase {
    /// All phases, in the order in which a call goes through them.
    pub const ALL: [Self; 5] = [Self::Receive, Self::Queue, Self::Instantiate, Self::Handle, Self::Stream];

    /// The phase's name in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Queue => "queue",
            Self::Instantiate => "instantiate",
            Self::Handle => "handle",
            Self::Stream => "stream",
        }
    }
}

/// A failed call, with what the operator and, in development, the author want to know.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// When.
    pub phase: Phase,
    /// One sentence with the numbers.
    pub detail: String,
    /// The guest function that ran when it happened, demangled; the handler's export where none was on the stack.
    pub function: Option<String>,
    /// The guest's stack, innermost first, one frame a line.
    pub stack: Vec<String>,
    /// When trying again makes sense, if it does.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without a guest stack.
    #[must_use]
    pub fn new(kind: FailureKind, phase: Phase, detail: impl Into<String>) -> Self {
        Self { kind, phase, detail: detail.into(), function: None, stack: Vec::new(), retry_after: None }
    }

    /// The same, naming the guest function that was at work.
    #[must_use]
    pub fn in_function(mut self, function: impl Into<String>) -> Self {
        self.function = Some(function.into());
        self
    }

    /// The same, with advice on when to come back.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail)
    }
}

impl std::error::Error for Failure {}
