use skep_sdk::prelude::*;

#[skep::subscribe("orders:*")]
fn on_order(_: Message) -> Result<()> {
    Ok(())
}

#[skep::subscribe("users:*")]
fn on_user(_: Message) -> Result<()> {
    Ok(())
}

#[skep::task]
fn first(_: u8) -> Result<()> {
    Ok(())
}

#[skep::task]
fn second(_: u8) -> Result<()> {
    Ok(())
}

fn main() {}
