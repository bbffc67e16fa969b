use skep_sdk::prelude::*;

struct Order;

#[skep::jobs]
mod work {
    use super::*;

    #[job]
    fn buy(_: Order) -> JobResult {
        Ok(())
    }

    #[job]
    fn sell(_: u8) -> String {
        String::new()
    }

    #[job]
    fn ship(_: u8, _: &Context) -> JobResult {
        Ok(())
    }
}

fn main() {}
