//! Commands that need no node: what they refuse, and what they say.

use std::path::Path;
use std::process::Command;

use skep_tests::guests;

/// The exit code of a command in a folder, and all that it said.
fn said(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(guests::skep()).current_dir(folder).args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn manifest(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("skep.toml"), text).unwrap();
    folder
}

#[test]
fn check_finds_what_a_start_would_fail_for() {
    let plugin = "[plugins.app]\nsource = \"app.wasm\"\nroutes = [\"/\"]\n";
    let unset = "{ env = \"SKEP_TEST_NEVER_SET\" }";
    for (host, more, expected) in [
        ("tls = { cert = \"cert.pem\", key = \"key.pem\" }".to_owned(), String::new(), "cert.pem"),
        (format!("admin_token = {unset}"), String::new(), "host.admin_token: the environment variable"),
        (format!("store = {{ url = {unset} }}"), String::new(), "host.store.url: the environment variable"),
        (String::new(), format!("secrets = {{ KEY = {unset} }}"), "plugins.app.secrets.KEY: the environment variable"),
    ] {
        let folder = manifest(&format!("[host]\n{host}\n{plugin}{more}"));
        let (code, text) = said(folder.path(), &["check"]);
        assert!(code == Some(1) && text.contains(expected), "{host} {more}: {text}");
    }
    let folder = manifest(plugin);
    let (code, text) = said(folder.path(), &["check"]);
    assert!(code == Some(0) && text.contains("app: not built yet"), "{text}");
    std::fs::create_dir(folder.path().join("app.wasm")).unwrap();
    let (code, text) = said(folder.path(), &["check"]);
    assert!(code == Some(1) && text.contains("app: cannot read"), "{text}");
}

#[test]
fn a_new_plugin_has_an_sdk_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = said(folder.path(), &["new", "hello", "--sdk", "nowhere/guest-sdk"]);
    assert!(code == Some(1) && text.contains("there is no folder nowhere/guest-sdk"), "{text}");
    assert!(!folder.path().join("hello").exists());
    let (code, text) = said(folder.path(), &["new", "hello", "--sdk", "0.1.0"]);
    assert!(code == Some(0) && text.contains("skep up hello"), "{text}");
}

#[test]
fn a_port_that_is_taken_is_noticed_before_anything_is_loaded() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let folder = manifest("[plugins.app]\nsource = \"app.wasm\"\nroutes = [\"/\"]\n");
    std::fs::write(folder.path().join("app.wasm"), "no wasm").unwrap();
    for (listen, admin, expected) in
        [(&*taken, "127.0.0.1:0", "cannot listen on"), ("127.0.0.1:0", &*taken, "cannot listen for admin requests on")]
    {
        let (code, text) = said(folder.path(), &["serve", "--listen", listen, "--admin", admin]);
        assert!(code == Some(1) && text.contains(expected) && !text.contains("app"), "{text}");
    }
}

#[test]
fn what_is_no_component_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.wasm"), "no wasm").unwrap();
    for (file, expected) in [("text.wasm", "this is not WebAssembly"), ("gone.wasm", "reading gone.wasm")] {
        let (code, text) = said(folder.path(), &["run", file, "--listen", "127.0.0.1:0"]);
        assert!(code == Some(1) && text.contains(expected) && !text.contains("listening"), "{text}");
    }
    assert!(!folder.path().join(".skep").exists());
}

#[test]
fn a_reload_finds_its_node_as_other_commands_do() {
    let folder = manifest("");
    let here = folder.path().to_str().unwrap();
    for args in [&["reload"][..], &["reload", here], &["reload", "--dir", here], &["ps", "--dir", here]] {
        let (code, text) = said(folder.path(), args);
        assert!(code == Some(1) && text.contains("no node is known in"), "{args:?}: {text}");
    }
    assert_eq!(said(folder.path(), &["reload", here, "--dir", here]).0, Some(2));
}
