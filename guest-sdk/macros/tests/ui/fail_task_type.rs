use skep_sdk::prelude::*;

struct Order;

#[skep::tasks]
mod work {
    use super::*;

    #[task]
    fn buy(_: Order) -> Result<()> {
        Ok(())
    }

    #[task]
    fn sell(_: u8) -> String {
        String::new()
    }

    #[task]
    fn find(_: u8) -> Result<Order> {
        Ok(Order)
    }
}

fn main() {}
