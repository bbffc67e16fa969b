//! What there is to live from.

use skep_manifest::Machine;
use skep_types::ByteSize;

/// What the kernel says; where it says nothing, nothing is known.
pub(crate) fn machine() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let maps = read("/proc/sys/vm/max_map_count").and_then(|text| text.trim().parse().ok());
    let of_machine = read("/proc/meminfo").and_then(|text| total(&text));
    // A container's own limit; "max" where there is none.
    let of_group: Option<u64> = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    Machine { maps, memory: of_machine.into_iter().chain(of_group).min().map(ByteSize) }
}

/// `MemTotal:       24643132 kB`
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_what_the_kernel_says() {
        let text = "MemTotal:       24643132 kB\nMemFree:          814144 kB\n";
        assert_eq!(total(text), Some(24_643_132 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert_eq!(total("MemTotal: lots\n"), None);
    }
}
