use skep_sdk::prelude::*;

#[skep::http]
fn first() {}

mod other {
    use skep_sdk::prelude::*;

    #[skep::http]
    fn second() {}
}

fn main() {}
