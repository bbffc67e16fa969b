//! Jobs, for operators and for whoever waits for one.
