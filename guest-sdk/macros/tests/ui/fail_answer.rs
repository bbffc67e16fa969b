use skep_sdk::prelude::*;

#[skep::http]
fn handler(req: Request) -> Result<u32> {
    Ok(req.path().len() as u32)
}

fn main() {}
