//! Processes and their events.
