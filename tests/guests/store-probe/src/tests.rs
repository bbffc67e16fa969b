use skep_sdk::test;

use super::*;

fn ask(uri: &str) -> String {
    test::get(uri.replace(' ', "+")).send(handle).text().to_owned()
}

#[test]
fn routes_do_as_the_query_says() {
    assert_eq!((ask("/set?v=honey"), ask("/get")), ("ok".to_owned(), "1 - honey".to_owned()));
    assert_eq!(
        (ask("/sum?k=n&by=7"), ask("/sum?k=n&by=-9"), ask("/counter?k=n")),
        ("7".into(), "-2".into(), "-2".into())
    );
    assert_eq!(ask("/fill?prefix=p&n=1200"), "ok");
    assert_eq!(
        (ask("/list-all?prefix=p"), ask("/list?prefix=p&limit=1")),
        ("1200".into(), "p000000 x\ncursor p000000".into())
    );
    assert_eq!(ask("/get-many?keys=x,k"), "none\n1 - honey");
    assert_eq!(ask("/append?k=t&v=ab&n=3"), "ababab");
    assert_eq!(ask("/sum?k=a&by=5"), "5");
    assert_eq!((ask("/transfer?by=4"), ask("/counter?k=b")), ("1".into(), "4".into()));
    assert_eq!(test::get("/transfer?by=4").send(handle).status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn commits_are_as_their_operations_say() {
    let done = ask("/commit?ops=absent x;set x 1;sum n 3;enqueue keep honey;publish t hi;event t new ho");
    assert_eq!(done, "1 sums 3 jobs 1");
    assert_eq!(ask("/commit?ops=check x 1;set x 2;sum n 1;sum n 1"), "2 sums 4,5 jobs ");
    assert_eq!(ask("/commit?ops=set y 1;check x 1"), "Conflict x");
    assert_eq!(ask("/commit?ops=set shop/y 1;absent shop/x"), "3 sums  jobs ");
    assert_eq!(ask("/commit?ops=unique keep honey"), "4 sums  jobs 2");
    assert_eq!(ask("/commit?ops=set z 1;unique keep honey"), "Duplicate 0");
    test::worker::<keep>();
    assert_eq!((test::perform_jobs(), ask("/done")), (2, " honey honey".to_owned()));
    assert_eq!(test::published().len(), 2);
}
