//! What the macros accept and refuse, with the words they use. After a change of words: `TRYBUILD=overwrite cargo test`.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass*.rs");
    cases.compile_fail("tests/ui/fail_*.rs");
}
