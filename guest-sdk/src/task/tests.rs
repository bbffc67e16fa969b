//! Tasks, run in the thread of the test. The macros' part is in `macros/tests/ui`.

use super::{Task, TaskError, export};
use crate::{CapabilityError, Result, task, test};

struct Half;

impl Task for Half {
    type Args = u32;
    type Output = u32;
    const NAME: &'static str = "half";

    fn run(number: u32) -> Result<u32> {
        assert!(number < 100, "too many bees");
        if number.is_multiple_of(2) { Ok(number / 2) } else { Err(format!("{number} is odd").into()) }
    }
}

#[test]
fn results_come_in_order_and_failures_in_their_place() {
    let results: Vec<_> = export::typed_map::<Half>([4, 3, 100]).concurrency(2).ordered().unwrap().collect();
    let failed = TaskError::Failed("3 is odd".into());
    assert_eq!(results, [Ok(2), Err(failed), Err(TaskError::Crashed("too many bees".into()))]);
}

#[test]
fn results_come_as_they_finish_with_their_places() {
    let results = export::typed_map::<Half>(&[4, 6]).unordered().unwrap();
    assert_eq!(results.size_hint(), (0, Some(2)));
    assert_eq!(results.map(|(index, half)| (index, half.unwrap())).collect::<Vec<_>>(), [(1, 3), (0, 2)]);
    assert_eq!(export::typed_map::<Half>([0; 0]).ordered().unwrap().count(), 0);
}

#[test]
fn a_name_must_be_known() {
    let error = task::start("half", &4_u32).unwrap_err();
    assert_eq!(error.capability(), Some(&CapabilityError::NotFound));
    assert_eq!(error.to_string(), "starting the task `half`: not found");
    assert!(task::map::<u32>("half", [4_u32]).ordered().is_err());
    test::task::<Half>();
    task::start("half", &4_u32).unwrap();
    task::start("half", &3_u32).unwrap();
    assert_eq!(test::started(), ["half", "half"]);
}

#[test]
fn what_is_of_another_type_fails_with_the_tasks_name() {
    assert_eq!(export::run::<Half>(&[4]), Ok(vec![2]));
    let error = export::run::<Half>(&[]).unwrap_err();
    assert!(error.starts_with("reading the arguments of the task `half`: the value is no `u32`"), "{error}");
    test::task::<Half>();
    let results: Vec<_> = task::map::<(u32, u32)>("half", [4_u32]).ordered().unwrap().collect();
    assert!(matches!(&results[..], [Err(TaskError::Failed(why))] if why.starts_with("reading its result: ")));
}
