use skep_sdk::prelude::*;

#[skep::warmer]
fn warm(name: &str) -> Result<usize> {
    Ok(name.len())
}

fn main() {}
