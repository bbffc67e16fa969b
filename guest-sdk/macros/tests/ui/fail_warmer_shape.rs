use skep_sdk::prelude::*;

#[skep::warmer(every = "10s")]
async fn warm<T>(&self, name: String, again: &str) {}

#[skep::warmer]
fn kept(name: &'static str, more: u32) -> Result<()> {
    Ok(())
}

#[skep::warmer]
const NAME: &str = "board";

#[skep::warmer]
unsafe extern "C" fn exported() -> Result<()> {
    Ok(())
}

fn main() {
    let _ = NAME;
}
