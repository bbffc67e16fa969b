//! The supervision tree against a model of OTP's rules and against OTP itself, and its driver over real tasks.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

mod driver;
mod model;
mod otp;
mod rounds;
mod schedule;
mod sim;
