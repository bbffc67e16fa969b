//! The memory limit: all linear memories and tables of an instance together.

use wasmtime::ResourceLimiter;

/// Host memory behind one table element.
const TABLE_ELEMENT_BYTES: usize = 8;

/// Counts what an instance has and refuses what would be too much. wasmtime's own `StoreLimits` bounds each memory by
/// itself, so a guest with many of them would have many times its limit.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: usize,
    used: usize,
    peak: usize,
    denied: bool,
}

impl MemoryBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, used: 0, peak: 0, denied: false }
    }

    /// What is in use, in bytes.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// The most that was in use, in bytes.
    pub(crate) fn peak(&self) -> usize {
        self.peak
    }

    /// Whether a wish was refused. A guest that traps afterwards died of memory.
    pub(crate) fn denied(&self) -> bool {
        self.denied
    }

    /// Forgets what happened in an earlier call of a reused instance; what it holds it still holds.
    pub(crate) fn start_call(&mut self) {
        self.peak = self.used;
        self.denied = false;
    }

    fn grow(&mut self, by: usize) -> bool {
        let wanted = self.used.saturating_add(by);
        if wanted > self.limit {
            self.denied = true;
            return false;
        }
        self.used = wanted;
        self.peak = self.peak.max(wanted);
        true
    }
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT_BYTES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_budget() {
        let mut budget = MemoryBudget::new(1000);
        assert!(budget.memory_growing(0, 400, None).unwrap());
        assert!(budget.memory_growing(0, 400, None).unwrap());
        assert!(budget.table_growing(0, 20, None).unwrap());
        assert!(!budget.denied());
        assert!(!budget.table_growing(20, 26, None).unwrap());
        assert!(budget.table_growing(20, 25, None).unwrap());
        assert!(!budget.memory_growing(400, 401, None).unwrap());
        assert!(budget.denied());
        assert_eq!(budget.peak(), 1000);
    }

    #[test]
    fn a_reused_instance_keeps_what_it_holds() {
        let mut budget = MemoryBudget::new(10);
        assert!(budget.grow(10));
        assert!(!budget.grow(1));
        budget.start_call();
        assert_eq!((budget.denied(), budget.peak()), (false, 10));
        assert!(!budget.grow(1));
    }
}
