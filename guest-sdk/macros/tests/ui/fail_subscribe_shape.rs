use skep_sdk::prelude::*;

#[skep::subscribe]
async fn silent<T>(order: &T) {}

#[skep::subscribe("orders:*:new")]
fn starred() -> Result<()> {
    Ok(())
}

#[skep::subscribe("a", "b")]
fn Capital(topic: String, text: &str, more: u8) -> Result<()> {
    Ok(())
}

#[skep::subscribe("")]
fn turned(order: u8, topic: &str) -> Result<()> {
    Ok(())
}

#[skep::subscribe("orders:*")]
const NAME: &str = "orders";

#[skep::subscribers("orders:*")]
mod listeners {
    #[subscribe]
    fn on_order(_: u8) -> skep_sdk::Result<()> {
        Ok(())
    }

    #[subscribe = "users:*"]
    fn on_user(_: u8) -> skep_sdk::Result<()> {
        Ok(())
    }
}

#[skep::subscribers]
mod nobody {}

#[skep::subscribers]
fn not_a_module() {}

fn main() {
    let _ = NAME;
}
