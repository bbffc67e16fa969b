//! A small-block allocator in front of the system's.
//!
//! A handler's life is a few dozen small blocks, and a fresh instance pays for the first use of everything. wasi-libc's
//! allocator sets up its bookkeeping at the first block and walks bins at the others; here a block of up to 1 KiB is a
//! step forward in an arena that lies in the instance's first pages, or the head of a list of freed ones. Larger blocks
//! go to the system allocator. Freed small blocks are used again by blocks of their class and never given back, which
//! suits instances that live for one call or for some thousands of similar ones.
#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;

/// The arena that every instance starts with: what a small handler needs for one call, within one page of wasm.
const ARENA_BYTES: usize = 32 << 10;
/// What is taken from the system when the arena is used up.
const CHUNK_BYTES: usize = 64 << 10;
const SMALLEST_SHIFT: u32 = 4;
const CLASSES: usize = 7;
const LARGEST: usize = 1 << (SMALLEST_SHIFT as usize + CLASSES - 1);
const ALIGN: usize = 16;

/// For one thread: wasm has one.
pub(crate) struct SmallBlocks {
    arena: UnsafeCell<Arena>,
    state: UnsafeCell<State>,
}

#[repr(align(16))]
struct Arena(#[allow(dead_code, reason = "reached by its address alone")] [u8; ARENA_BYTES]);

struct State {
    /// Where the free part of the current chunk begins, and how long it is. Null before the first block.
    next: *mut u8,
    left: usize,
    freed: [*mut Freed; CLASSES],
}

/// What stands in a block while nobody uses it.
struct Freed {
    next: *mut Freed,
}

// SAFETY: it is a global allocator on wasm32-wasip2 only, which has one thread; the tests use one per thread.
unsafe impl Sync for SmallBlocks {}

impl SmallBlocks {
    pub(crate) const fn new() -> Self {
        let state = State { next: ptr::null_mut(), left: 0, freed: [ptr::null_mut(); CLASSES] };
        Self { arena: UnsafeCell::new(Arena([0; ARENA_BYTES])), state: UnsafeCell::new(state) }
    }

    /// Takes a block of a class from the arena, or from a new chunk.
    #[cold]
    fn refill(&self, state: &mut State) -> bool {
        if state.next.is_null() {
            state.next = self.arena.get().cast();
            state.left = ARENA_BYTES;
            return true;
        }
        // What is left of the old chunk is lost: less than the largest small block.
        let Ok(layout) = Layout::from_size_align(CHUNK_BYTES, ALIGN) else { return false };
        // SAFETY: the layout's size is not zero.
        let chunk = unsafe { System.alloc(layout) };
        if chunk.is_null() {
            return false;
        }
        (state.next, state.left) = (chunk, CHUNK_BYTES);
        true
    }
}

/// The class of a layout; `None` is a block for the system.
fn class(layout: Layout) -> Option<usize> {
    if layout.size() > LARGEST || layout.align() > ALIGN {
        return None;
    }
    let bits = usize::BITS - layout.size().saturating_sub(1).leading_zeros();
    Some(bits.saturating_sub(SMALLEST_SHIFT) as usize)
}

// SAFETY: a block of a class is as large as the class says and aligned to 16 bytes, since chunks are and all classes are
// multiples of it. It is handed out once until it is freed: it comes from the untouched rest of a chunk or from the list
// of its class, and leaves either when it is taken.
unsafe impl GlobalAlloc for SmallBlocks {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(layout) else {
            // SAFETY: as the caller promised.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: nothing below calls back into this allocator, so this is the only reference.
        let state = unsafe { &mut *self.state.get() };
        if let Some(head) = state.freed.get_mut(class)
            && !head.is_null()
        {
            let block = *head;
            // SAFETY: a block on the list was freed, so nobody else uses it, and `dealloc` wrote a `Freed` there.
            *head = unsafe { (*block).next };
            return block.cast();
        }
        let size = 1_usize << (class + SMALLEST_SHIFT as usize);
        if state.left < size && !self.refill(state) {
            return ptr::null_mut();
        }
        let block = state.next;
        // SAFETY: the chunk has `left` more bytes, which are at least `size`.
        state.next = unsafe { block.add(size) };
        state.left -= size;
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class(layout) else {
            // SAFETY: a block of this layout came from the system.
            return unsafe { System.dealloc(block, layout) };
        };
        // SAFETY: as in `alloc`.
        let state = unsafe { &mut *self.state.get() };
        let Some(head) = state.freed.get_mut(class) else { return };
        let freed = block.cast::<Freed>();
        // SAFETY: the block is no longer used, is aligned, and is at least 16 bytes, more than a pointer.
        unsafe { freed.write(Freed { next: *head }) };
        *head = freed;
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promised that the new size is valid with the old alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (class(layout), class(wanted)) {
            // SAFETY: both sizes are the system's.
            (None, None) => unsafe { System.realloc(block, layout, new_size) },
            (Some(old), Some(new)) if old == new => block,
            _ => {
                // SAFETY: both blocks are at least as long as what is copied, and the new one is nobody else's.
                unsafe {
                    let new = self.alloc(wanted);
                    if !new.is_null() {
                        ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
                        self.dealloc(block, layout);
                    }
                    new
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_powers_of_two_from_16_to_1024() {
        let class = |size, align| class(Layout::from_size_align(size, align).unwrap());
        for (size, expected) in [(1, 0), (16, 0), (17, 1), (32, 1), (33, 2), (512, 5), (513, 6), (1024, 6)] {
            assert_eq!(class(size, 8), Some(expected), "{size}");
        }
        assert_eq!((class(1025, 8), class(8, 32)), (None, None));
    }

    #[test]
    fn live_blocks_never_overlap_and_keep_what_they_hold() {
        let blocks = SmallBlocks::new();
        let mut live: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let mut seed = 7_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        let intact = |block: *mut u8, layout: Layout, mark: u8| {
            // SAFETY: the block is live and was filled when it was made.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            assert!(bytes.iter().all(|byte| *byte == mark), "a block was overwritten");
        };
        for round in 0..20_000_u64 {
            let mark = round.to_le_bytes()[0];
            let size = 1 + random(if round % 50 == 0 { 5000 } else { 300 }) as usize;
            if live.len() > 400 || (random(3) == 0 && !live.is_empty()) {
                let (block, layout, old) = live.swap_remove(random(live.len() as u64) as usize);
                intact(block, layout, old);
                // SAFETY: the block is live and has this layout; the size is not zero.
                unsafe {
                    if random(2) == 0 {
                        blocks.dealloc(block, layout);
                    } else {
                        let moved = blocks.realloc(block, layout, size);
                        let kept = layout.size().min(size);
                        intact(moved, Layout::from_size_align(kept, 8).unwrap(), old);
                        moved.write_bytes(mark, size);
                        live.push((moved, Layout::from_size_align(size, layout.align()).unwrap(), mark));
                    }
                }
                continue;
            }
            let layout = Layout::from_size_align(size, 1 << random(7)).unwrap();
            // SAFETY: the size is not zero, and the block has it.
            unsafe {
                let block = blocks.alloc(layout);
                assert_eq!(block as usize % layout.align(), 0);
                block.write_bytes(mark, size);
                live.push((block, layout, mark));
            }
        }
        for (block, layout, mark) in live {
            intact(block, layout, mark);
            // SAFETY: as above.
            unsafe { blocks.dealloc(block, layout) };
        }
    }

    #[test]
    fn freed_blocks_are_used_again() {
        let blocks = SmallBlocks::new();
        let layout = Layout::from_size_align(100, 8).unwrap();
        // SAFETY: each block is freed once, with its layout.
        unsafe {
            let first = blocks.alloc(layout);
            blocks.dealloc(first, layout);
            for _ in 0..10 * CHUNK_BYTES / 128 {
                let block = blocks.alloc(layout);
                assert_eq!(block, first);
                blocks.dealloc(block, layout);
            }
        }
    }
}
