use skep_sdk::test;

use super::*;

fn ask(uri: &str) -> String {
    test::get(uri).send(handle).text().to_owned()
}

#[test]
fn routes_do_as_the_query_says() {
    test::worker::<work::all::echo>();
    assert_eq!(ask("/enqueue?args=honey&unique=args&meta=a:b"), "1 new");
    assert_eq!(ask("/enqueue?args=honey&unique=args"), "1 there");
    assert_eq!(ask("/await?id=1"), r#"completed 1/20 "honey" -"#);
    assert_eq!(ask("/runs"), "echo honey 1 1");
    assert_eq!(ask("/enqueue?name=echo&in_ms=1000&priority=2&queue=other&max=3"), "2 new");
    assert_eq!(ask("/get?id=2"), "scheduled 0/3 - -");
    assert_eq!((ask("/cancel?id=2"), ask("/get?id=7")), ("true".to_owned(), "none".to_owned()));
    assert_eq!(ask("/batch?n=2&args=a&finally=echo").lines().count(), 3);
    assert_eq!(ask("/chain?names=echo,echo&args=x"), "6 new\n7 new");
    assert_eq!(ask("/enqueue?priority=10"), r#"Invalid("a priority is 0 to 9")"#);
    assert_eq!(test::perform_jobs(), 5);
}
