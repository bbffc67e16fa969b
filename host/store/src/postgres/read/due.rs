//! Whoever has timers or mail that are due.
