use skep_sdk::prelude::*;

#[skep::http(path = "/")]
async fn handler<T>(&self, name: &str, body: &[u8], any: impl Into<String>) -> String {
    String::new()
}

#[skep::http]
struct Plugin;

#[skep::http]
unsafe extern "C" fn exported() {}

fn main() {
    let _: Plugin = Plugin;
}
