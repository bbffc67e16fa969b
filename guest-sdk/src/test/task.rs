//! Tasks in native tests.

use crate::{double::tasks as double, task::Task};

/// Makes a task known, as the plugin's export does on the host, for [`task::start`](crate::task::start) and
/// [`task::map`](fn@crate::task::map) by its name. `weigh::start` and `weigh::map` know their task.
///
/// ```
/// use skep_sdk::{prelude::*, test};
///
/// #[skep::task]
/// fn weigh(hive: u32) -> Result<f64> {
///     Ok(f64::from(hive) * 1.5)
/// }
///
/// test::task::<weigh>();
/// task::start("weigh", &7_u32)?;
/// assert_eq!(test::started(), ["weigh"]);
/// # Ok::<_, Error>(())
/// ```
pub fn task<T: Task>() {
    double::register::<T>();
}

/// The names of the tasks that this test has started so far, the first one first. They have run.
#[must_use]
pub fn started() -> Vec<String> {
    double::started()
}
