//! How much memory a thread takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with an eye on each thread.
struct Watched;

#[global_allocator]
static WATCHED: Watched = Watched;

thread_local! {
    static TAKEN: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// What no target may ask for at once: it gets nothing, and the program ends.
const UNREASONABLE: usize = 1 << 30;

fn count(bytes: isize) {
    let taken = TAKEN.get() + bytes;
    TAKEN.set(taken);
    MOST.set(MOST.get().max(taken));
}

// SAFETY: every call is handed on as it came to the system's allocator, or fails as the trait allows. Counting allocates nothing: both cells
// are constants without a destructor.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > UNREASONABLE {
            return std::ptr::null_mut();
        }
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() > UNREASONABLE {
            return std::ptr::null_mut();
        }
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > UNREASONABLE {
            return std::ptr::null_mut();
        }
        count(size as isize - layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(old, layout) }
    }
}

/// What `work` gives, and how many bytes it held at the same time at most.
pub fn watched<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = TAKEN.get();
    MOST.set(before);
    let result = work();
    (result, (MOST.get() - before).try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_told() {
        let ((), most) = watched(|| {
            drop(vec![0_u8; 5000]);
            drop(vec![0_u8; 3000]);
        });
        assert!((5000..8000).contains(&most), "{most}");
        let (kept, most) = watched(|| (vec![1_u8; 5000], vec![1_u8; 3000]));
        assert!((8000..9000).contains(&most), "{most}");
        drop(kept);
    }
}
