use skep_sdk::test;

use super::handle;

#[track_caller]
fn ask(path: &str, statement: &str) -> (u16, String) {
    let answer = test::post(path).body(statement.to_owned()).send(handle);
    (answer.status().as_u16(), answer.text().to_owned())
}

#[test]
fn it_does_what_the_path_says() {
    test::database("main").run("create table counter (value integer); insert into counter values (0)");
    assert_eq!(
        ask("/query?p=7&p=a&p=null&p=0.5", "select ?1 a, ?2 b, ?3 c, ?4 d").1,
        r#"[{"a":7,"b":"a","c":null,"d":0.5}]"#
    );
    assert_eq!(ask("/add?n=3", "").1, "3");
    assert_eq!(ask("/transaction", "update counter set value = 8\nupdate counter set value = value + 1").0, 200);
    assert_eq!(ask("/transaction?fail=1", "delete from counter").0, 500);
    assert_eq!(ask("/count", "select * from counter"), (200, "1".to_owned()));
    assert_eq!(ask("/execute", "update counter set value = 1"), (200, "1".to_owned()));
    assert!(ask("/beside", "delete from counter").1.contains("invalid"));
    assert!(ask("/execute?p=1", "delete from counter").1.starts_with("Invalid("));
    assert_eq!(ask("/dialect", "").1, "Sqlite");
}
