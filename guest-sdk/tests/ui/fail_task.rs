use skep_sdk::prelude::*;

struct Order;

#[skep::tasks]
mod work {
    use super::*;

    #[task]
    fn two(id: u32, name: String) {}

    #[task]
    fn borrowed(name: &str) -> impl Sized {}

    #[task(max = 3)]
    fn limited(_: u32) -> Result<()> {
        Ok(())
    }
}

#[skep::task]
fn sell(_: Order) -> Result<Order> {
    Ok(Order)
}

fn main() {}
