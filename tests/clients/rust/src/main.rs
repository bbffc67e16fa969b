//! Two clients of Phoenix's channels from the registry: `rust-clients phoenix_channels_client` and `rust-clients phyllo`. Each
//! prints a line for each case, as the other clients beside this folder do.

mod cases;
mod phoenix;
mod phyllo_client;

#[tokio::main]
async fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("phoenix_channels_client") => phoenix::run().await,
        Some("phyllo") => phyllo_client::run().await,
        _ => panic!("say which client: phoenix_channels_client or phyllo"),
    }
}
