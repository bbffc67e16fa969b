use skep_sdk::prelude::*;

#[skep::warmer]
fn first() -> Result<()> {
    Ok(())
}

mod other {
    use skep_sdk::prelude::*;

    #[skep::warmer]
    fn second(_: &str) -> Result<()> {
        Ok(())
    }
}

fn main() {}
