//! In place of a bank: it thinks for a while, has no more than 100 euros for anybody, and makes each charge once.

use std::{env, thread, time::Duration};

use serde::{Deserialize, Serialize};
use skep_sdk::{cache::Ttl, prelude::*};

const CENTS_MAX: u32 = 10_000;

#[skep::http]
fn app() -> Router {
    Router::new().post("/charges", charge)
}

#[derive(Serialize, Deserialize)]
struct Charge {
    id: u64,
    cents: u32,
}

#[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
fn charge(Json(charge): Json<Charge>) -> Result<StatusCode> {
    let thinking = env::var("CHARGE_MS").map_or(Ok(0), |ms| ms.parse())?;
    thread::sleep(Duration::from_millis(thinking));
    if charge.cents > CENTS_MAX {
        return Ok(StatusCode::PAYMENT_REQUIRED);
    }
    // Whoever asks twice with one id is charged once.
    cache::bucket("charges")?.put_if_absent(&charge.id.to_string(), &charge.cents, Ttl::Standard)?;
    Ok(StatusCode::CREATED)
}

#[cfg(test)]
mod tests {
    use skep_sdk::test;

    use super::*;

    #[test]
    fn it_charges_what_there_is_and_once() {
        let ask = |id, cents| test::post("/charges").json(&Charge { id, cents }).send(app).status().as_u16();
        assert_eq!([ask(1, 700), ask(1, 700), ask(2, 10_001)], [201, 201, 402]);
        assert_eq!(cache::bucket("charges").unwrap().stats().entries, 1);
    }
}
