//! End-to-end tests: real guests in real hosts over real sockets. One binary, because each would link the compiler.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)] // A failed step is a panic.

mod access_log;
mod admin;
mod architecture;
mod behind;
mod breaker;
mod cache;
mod channel_bounds;
mod channel_processes;
mod channels;
mod chaos;
mod connections;
mod crash;
mod cron;
mod event_streams;
mod examples;
mod examples_chat;
mod examples_processes;
mod foreign;
mod given;
mod http;
mod job_lives;
mod job_queues;
mod jobs;
mod keyvalue;
mod kills;
mod knobs;
mod on_demand;
mod outbound;
mod presence;
mod probation;
mod processes;
mod pubsub;
mod rate_limit;
mod reload;
mod second_tier;
mod single_flight;
mod store;
mod streams;
mod subscribers;
mod supervision;
mod tasks;
mod topics;
mod warmers;
mod watch;
