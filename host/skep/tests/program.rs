//! The program as a shell starts it.
//!
//! A package with such a test has its program built whenever the tests of the workspace are, with what those were built with. The
//! end-to-end tests start that one; another build would compile everything below it a second time.

use std::process::Command;

fn skep() -> Command {
    Command::new(env!("CARGO_BIN_EXE_skep"))
}

#[test]
fn it_says_which_version_it_is() {
    let said = skep().arg("--version").output().unwrap();
    assert!(said.status.success());
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), concat!("skep ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_that_there_is_not_is_the_callers_mistake() {
    let said = skep().arg("sevre").output().unwrap();
    assert_eq!(said.status.code(), Some(2));
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(text.contains("sevre") && text.contains("'serve'"), "{text}");
}
