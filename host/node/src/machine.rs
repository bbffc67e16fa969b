//! What the machine has, and what this program takes of it: as the kernel tells it. None of it is known where there is no
//! `/proc`.

use std::fs;

/// Ticks of the kernel's clock in a second, as it tells them to programs, whatever its own are.
const TICKS_PER_SECOND: u64 = 100;

/// Mappings that a program may have, `vm.max_map_count`.
pub(crate) fn maps() -> Option<u64> {
    number(&read("/proc/sys/vm/max_map_count")?)
}

/// The memory that this program may use, in bytes: the machine's, or its container's where that is less.
pub(crate) fn memory() -> Option<u64> {
    let of_machine = read("/proc/meminfo").and_then(|text| kib_of(&text, "MemTotal:"));
    // Of both generations of control groups, as a container sees its own. One without a limit says `max`, or a number
    // beyond all machines.
    let of_container = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limits = of_container.into_iter().filter_map(|path| number(&read(path)?));
    of_machine.into_iter().chain(limits).min()
}

/// The memory that this program occupies, in bytes.
pub(crate) fn rss() -> Option<u64> {
    kib_of(&read("/proc/self/status")?, "VmRSS:")
}

/// The CPU time that this program has used, on all cores together, in milliseconds.
pub(crate) fn cpu_ms() -> Option<u64> {
    cpu_ms_of(&read("/proc/self/stat")?)
}

/// Cores that this program may use.
pub(crate) fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// A line such as `VmRSS:      1234 kB`, in bytes.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    number(value.trim().strip_suffix("kB")?)?.checked_mul(1024)
}

/// Time in user's and in system's code. The second field is the program's name, which may hold anything, brackets included.
fn cpu_ms_of(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    // The first field here is the third.
    let mut fields = behind_name.split_whitespace().skip(14 - 3);
    let (user, system) = (number(fields.next()?)?, number(fields.next()?)?);
    user.checked_add(system)?.checked_mul(1000 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let status = "Name:\tskep\nVmHWM:\t    2000 kB\nVmRSS:\t    1234 kB\n";
        assert_eq!((kib_of(status, "VmRSS:"), kib_of(status, "VmSwap:")), (Some(1234 * 1024), None));
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 123 456 789";
        assert_eq!(cpu_ms_of(stat), Some(3000));
        for damaged in ["", "42 (a", "42 (a) S 1", "42 (a) S 1 42 42 0 -1 4194560 100 0 0 0 x y"] {
            assert_eq!(cpu_ms_of(damaged), None, "{damaged}");
        }
        assert_eq!((number(" 65530\n"), number("max\n")), (Some(65_530), None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_is_known() {
        let (memory, rss) = (memory().unwrap(), rss().unwrap());
        assert!(rss > 100 << 10 && memory > rss, "{rss} of {memory}");
        assert!(maps().unwrap() > 1000 && cores() >= 1 && cpu_ms().is_some());
    }
}
