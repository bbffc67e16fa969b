//! `[host.processes]`: the processes of all plugins together.

use skep_types::ByteSize;

use crate::read::Section;

const GIB: ByteSize = ByteSize::mib(1 << 10);
/// More than these are at work at once on no machine; those that are not may as well sleep.
const LIVE_MAX: u64 = 10_000;
/// Fewer are of no use: they would push each other out all the time.
const LIVE_MIN: u64 = 16;
/// Mappings of the kernel that all else needs: code, libraries, threads, buffers of sockets.
const MAPS_RESERVED: u64 = 10_000;
/// Mappings of an instance that serves a call: six, and a quarter more for the second engine.
const MAPS_PER_CALL: u64 = 8;
/// Mappings of a live process: six, a quarter more for the second engine, and a quarter of both more for what cannot
/// sleep and for upgrades.
const MAPS_PER_LIVE: u64 = 10;
/// What a live process takes that has touched some of its memory.
const BYTES_PER_LIVE: u64 = 256 << 10;

/// `[host.processes]`: the processes of all plugins. A change takes effect when the node is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostProcessesConfig {
    /// Processes that are live, with an instance each, at once; the others sleep, and wake when there is a place. 1 to
    /// 1,000,000. Default: what the machine has room for, see [`live_on`](Self::live_on).
    pub live: Option<u32>,
    /// What the states of all processes in memory may take. Default 1 GiB, 1 MiB to 1 TiB. Over it kept ones leave the
    /// memory; where that does not help, a start is refused as `full`.
    pub state_memory: ByteSize,
    /// Processes in memory, awake or asleep. Default 2,000,000, 1 to 100,000,000. One more is refused as `full`.
    pub max: u64,
}

/// What there is to live from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Mappings that the kernel gives a program (`vm.max_map_count`); none: it does not count.
    pub maps: Option<u64>,
    /// Memory that the program may use; none: that cannot be known.
    pub memory: Option<ByteSize>,
}

impl Default for HostProcessesConfig {
    fn default() -> Self {
        Self { live: None, state_memory: GIB, max: 2_000_000 }
    }
}

impl HostProcessesConfig {
    /// How many processes may be live on this machine, beside so many instances for calls (`host.instances`).
    ///
    /// What the manifest says, or the least of 10,000; the mappings that are left, at ten for each; and a quarter of the memory,
    /// at 256 KiB for each. But not less than 16.
    #[must_use]
    pub fn live_on(&self, machine: Machine, instances: u32) -> u32 {
        if let Some(live) = self.live {
            return live;
        }
        let of_maps = |maps: u64| {
            let taken = MAPS_RESERVED.saturating_add(u64::from(instances).saturating_mul(MAPS_PER_CALL));
            maps.saturating_sub(taken) / MAPS_PER_LIVE
        };
        let by_maps = machine.maps.map_or(LIVE_MAX, of_maps);
        let by_memory = machine.memory.map_or(LIVE_MAX, |memory| memory.0 / 4 / BYTES_PER_LIVE);
        let live = LIVE_MAX.min(by_maps).min(by_memory).max(LIVE_MIN);
        u32::try_from(live).unwrap_or(u32::MAX)
    }

    /// Reads the table over the defaults. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(mut table: Section<'_>) -> (Self, Vec<&'static str>) {
        let mut processes = Self::default();
        if table.item("live").is_some() {
            let mut live = 1;
            table.bounded("live", &mut live, 1..=1_000_000);
            processes.live = Some(live);
        }
        table.bounded("state_memory", &mut processes.state_memory, ByteSize::mib(1)..=ByteSize::mib(1 << 20));
        table.bounded("max", &mut processes.max, 1..=100_000_000);
        (processes, table.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_live_as_the_machine_has_room_for() {
        let live = |maps, memory: Option<u64>, instances| {
            let memory = memory.map(ByteSize::mib);
            HostProcessesConfig::default().live_on(Machine { maps, memory }, instances)
        };
        // A kernel as it comes, and 24 GiB.
        assert_eq!(live(Some(65_530), Some(24 << 10), 1000), 4753);
        assert_eq!(live(Some(1 << 20), Some(24 << 10), 1000), 10_000);
        assert_eq!(live(Some(1 << 20), Some(1 << 10), 1000), 1024);
        assert_eq!(live(None, None, u32::MAX), 10_000);
        assert_eq!(live(Some(65_530), Some(1), 100_000), 16);
        let said = HostProcessesConfig { live: Some(50_000), ..HostProcessesConfig::default() };
        assert_eq!(said.live_on(Machine::default(), 1000), 50_000);
    }
}
