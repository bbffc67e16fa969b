//! The mail server: the plugin `postbox`, by HTTP inside the host.

#[cfg(target_arch = "wasm32")]
use skep_sdk::prelude::*;

/// Asks it to send a mail; its answer is a status.
#[cfg(target_arch = "wasm32")]
pub fn send(id: jobs::JobId, to: &str, text: &str) -> Result<StatusCode> {
    let request = waki::Client::new().post("http://postbox.skep.internal/mails");
    let request =
        request.header("content-type", "application/json").body(json!({"id": id, "to": to, "text": text}).to_string());
    let response = request.send().map_err(|error| error.to_string())?;
    Ok(StatusCode::from_u16(response.status_code())?)
}

#[cfg(not(target_arch = "wasm32"))]
pub use crate::double::send;
