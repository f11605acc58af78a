//! What every input is held to beside its invariants: no more than 100 ms of CPU, and not a byte of memory kept
//! behind it. Counts what was done into the file that FUZZ_PROGRESS names: inputs, messages, the longest input in
//! microseconds, the most memory of one in bytes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::PathBuf;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::sync::Mutex;
use std::time::Duration;

/// Of the thread, so that a busy machine is no hang. Instrumented code is some five times slower than released.
const LONGEST: Duration = Duration::from_millis(100);
/// Bytes at once, for an input of 64 kB at most.
const MOST: isize = 64 << 20;
/// Inputs between two notes of the progress.
const NOTED_EVERY: u64 = 1 << 10;

struct Counted;

static HELD: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

fn held(change: isize) {
    let now = HELD.fetch_add(change, Relaxed) + change;
    PEAK.fetch_max(now, Relaxed);
}

// SAFETY: all of it is the system's allocator; what is added only counts.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        held(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        held(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        held(size as isize - layout.size() as isize);
        unsafe { System.realloc(at, layout, size) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        held(-(layout.size() as isize));
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

struct Progress {
    file: Option<PathBuf>,
    inputs: u64,
    messages: u64,
    longest: Duration,
    most: isize,
}

static PROGRESS: Mutex<Option<Progress>> = Mutex::new(None);

/// Run one input, which says how many messages it was.
pub fn input(run: impl FnOnce() -> u64) {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    let began = cpu();
    let messages = run();
    let took = cpu().saturating_sub(began);
    let (kept, most) = (HELD.load(Relaxed) - before, PEAK.load(Relaxed) - before);
    let mut progress = PROGRESS.lock().unwrap();
    // What a thread allocates once in its life is no growth.
    let first = progress.is_none();
    let progress = progress.get_or_insert_with(|| Progress {
        file: std::env::var_os("FUZZ_PROGRESS").map(PathBuf::from),
        inputs: 0,
        messages: 0,
        longest: Duration::ZERO,
        most: 0,
    });
    assert!(took <= LONGEST, "{took:?} of CPU for one input");
    assert!(first || kept == 0, "{kept} bytes are still held");
    assert!(most <= MOST, "{most} bytes at once for one input");
    progress.inputs += 1;
    progress.messages += messages;
    progress.longest = progress.longest.max(took);
    progress.most = progress.most.max(most);
    if progress.inputs % NOTED_EVERY == 0 {
        progress.note();
    }
}

impl Progress {
    fn note(&self) {
        if let Some(file) = &self.file {
            let line = format!(
                "{} {} {} {}\n",
                self.inputs,
                self.messages,
                self.longest.as_micros(),
                self.most
            );
            std::fs::write(file, line).expect("FUZZ_PROGRESS can be written");
        }
    }
}

fn cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` lives over the call, which cannot fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
