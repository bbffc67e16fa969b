use skep_sdk::prelude::*;

struct Order;

#[skep::subscribers]
mod listeners {
    use super::*;

    #[subscribe("orders:*")]
    fn on_order(topic: &str, _: Order) -> Result<()> {
        Err(topic.to_owned().into())
    }

    #[subscribe("users:*")]
    fn on_user(_: Message) -> Result<u32> {
        Ok(7)
    }
}

fn main() {}
