//! The bank: the plugin `bank`, by HTTP inside the host.

#[cfg(target_arch = "wasm32")]
use skep_sdk::prelude::*;

/// Asks it for money; its answer is a status. The same id is the same charge.
#[cfg(target_arch = "wasm32")]
pub fn charge(id: u64, cents: u32) -> Result<StatusCode> {
    let request = waki::Client::new().post("http://bank.skep.internal/charges");
    let request =
        request.header("content-type", "application/json").body(json!({"id": id, "cents": cents}).to_string());
    let response = request.send().map_err(|error| error.to_string())?;
    Ok(StatusCode::from_u16(response.status_code())?)
}

#[cfg(not(target_arch = "wasm32"))]
pub use crate::double::charge;
