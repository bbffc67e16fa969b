use skep_sdk::prelude::*;

struct Odd;

#[skep::warmer]
fn warm() -> Result<(), Odd> {
    Err(Odd)
}

fn main() {}
