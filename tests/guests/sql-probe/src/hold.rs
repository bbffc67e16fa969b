//! Ends of a call that holds something, which the SDK's own transactions never are. So this speaks to the host as it is.

#[cfg(target_arch = "wasm32")]
pub(crate) use raw::{hold, keep, kept, many};

#[cfg(target_arch = "wasm32")]
mod raw {
    use std::cell::RefCell;

    use hostile_common::Query;
    use skep_sdk::{
        __private::bindings::imports::skep::plugin::sql::{Database, Isolation, Refusal, Transaction, open},
        CapabilityError,
        prelude::*,
    };

    thread_local! {
        static KEPT: RefCell<Option<(Database, Transaction)>> = const { RefCell::new(None) };
    }

    fn said(refusal: Refusal) -> Error {
        match refusal {
            Refusal::Violated(violation) => Error::from(violation.message),
            Refusal::Other(error) => CapabilityError::from(error).into(),
        }
    }

    fn begin(name: &str) -> Result<(Database, Transaction)> {
        let database = open(name).map_err(CapabilityError::from)?;
        let transaction = database.begin(false, Isolation::Standard).map_err(CapabilityError::from)?;
        Ok((database, transaction))
    }

    /// Ends while it holds something.
    pub(crate) fn hold(name: &str, query: &Query, statement: &str) -> Result<String> {
        let said = match query.get("what").unwrap_or("transaction") {
            "cursor" => {
                let database = open(name).map_err(CapabilityError::from)?;
                let answer = database.query(statement, &[], 1).map_err(said)?;
                let rows = answer.first.rows.len();
                std::mem::forget(answer.rest.ok_or("there is no more than a row")?);
                rows.to_string()
            }
            _ => {
                let (_, transaction) = begin(name)?;
                let rows = transaction.execute(statement, &[]).map_err(said)?;
                std::mem::forget(transaction);
                rows.to_string()
            }
        };
        match query.get("end").unwrap_or("return") {
            "trap" => hostile_common::trap(),
            "panic" => hostile_common::panic(),
            "spin" => hostile_common::spin(),
            _ => Ok(said),
        }
    }

    /// Keeps a transaction for the next call of the instance.
    pub(crate) fn keep(name: &str, statement: &str) -> Result<String> {
        let (database, transaction) = begin(name)?;
        let rows = transaction.execute(statement, &[]).map_err(said)?;
        KEPT.with_borrow_mut(|kept| *kept = Some((database, transaction)));
        Ok(rows.to_string())
    }

    /// Uses what an earlier call has kept.
    pub(crate) fn kept(statement: &str) -> Result<String> {
        KEPT.with_borrow(|kept| match kept {
            Some((_, transaction)) => Ok(transaction.execute(statement, &[]).map_err(said)?.to_string()),
            None => Ok("none".to_owned()),
        })
    }

    /// Opens cursors until the host has enough of it.
    pub(crate) fn many(name: &str, count: u64, statement: &str) -> Result<String> {
        let database = open(name).map_err(CapabilityError::from)?;
        let mut cursors = Vec::new();
        for _ in 0..count {
            match database.query(statement, &[], 1) {
                Ok(answer) => cursors.push(answer),
                Err(refusal) => return Ok(format!("{} {:?}", cursors.len(), said(refusal).capability())),
            }
        }
        Ok(cursors.len().to_string())
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use natively::{hold, keep, kept, many};

/// The guest's own tests have no host to be rude to.
#[cfg(not(target_arch = "wasm32"))]
mod natively {
    use hostile_common::Query;
    use skep_sdk::Result;

    pub(crate) fn hold(_: &str, _: &Query, _: &str) -> Result<String> {
        Err("is for a host".into())
    }

    pub(crate) fn keep(_: &str, _: &str) -> Result<String> {
        Err("is for a host".into())
    }

    pub(crate) fn kept(_: &str) -> Result<String> {
        Err("is for a host".into())
    }

    pub(crate) fn many(_: &str, _: u64, _: &str) -> Result<String> {
        Err("is for a host".into())
    }
}
