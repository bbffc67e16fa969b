use skep_sdk::prelude::*;

mod silent {
    use skep_sdk::prelude::*;

    #[skep::event_stream(topic = "orders")]
    fn open(opening: &Opening) {}
}

#[skep::event_stream]
fn open(id: u32, opening: Opening) -> Result<String> {
    Ok(format!("{id} {}", opening.topic))
}

fn main() {}
