//! What the routes of jobs, queues, the store, processes and sockets have in common.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;

use super::Admin;
use crate::control::{ControlError, DurableControl};

/// What is on a page, if nothing else is asked for.
pub(super) const PAGE_DEFAULT: usize = 100;

/// The node's durable side.
pub(super) fn durable(admin: &Admin) -> Result<&dyn DurableControl, ControlError> {
    let durable = admin.control.durable();
    durable.ok_or_else(|| ControlError::NotFound("this node has no store".to_owned()))
}

/// A query, or JSON that says what is wrong with it.
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

pub(super) fn asked<T>(query: Asked<T>) -> Result<T, ControlError> {
    query.map(|Query(query)| query).map_err(|rejection| ControlError::Refused(rejection.body_text()))
}
