//! Counts, states of queues, ticks, usage.
