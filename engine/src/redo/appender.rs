//! The thread that makes records durable, and lets go what waited for them without asking anybody.
//!
//! It appends to a segment that is in order and has room, one group after the other, each durable before the
//! next is written. Whatever else comes (no segment yet, a full one, one whose file was removed, a disk that
//! failed) it leaves to those who wait in [`Appender::trouble`]: it writes nothing to the segment any more
//! until it is given one by [`Appender::resume`], and keeps everything that is not durable, in its order.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::frame;
use crate::timer::Nanos;
use crate::wake::{clock, Wake};
use crate::worker::Shared;

/// Under load somebody asks what is durable every few milliseconds. Who does not, is told after this.
const QUIET: Duration = Duration::from_millis(10);

/// How many windows records may wait that nobody waits for: those of refused attempts acknowledge nothing, and a
/// flood of them costs one group in a hundred milliseconds then, at the window that is the default.
const UNAWAITED: u32 = 10;

/// Where the next group goes.
pub struct Segment {
    /// Open for writing.
    pub file: File,
    /// Of the next group.
    pub sequence: u64,
    /// Where it begins.
    pub end: u64,
    /// Up to where the file has been filled: a write beyond would wait for the file system's journal.
    pub limit: u64,
    /// With what the CRC of a frame begins.
    pub seed: u32,
}

/// Records that became durable together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number in the log.
    pub sequence: u64,
    /// How many.
    pub records: u32,
    /// Size in the log.
    pub bytes: u64,
    /// Monotonic.
    pub since: Nanos,
}

/// The segment cannot be gone on with, or there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// How many records, the oldest that are not durable, are to be made so by other means.
    pub records: u32,
    /// Of the next group; 0: there was no segment yet.
    pub sequence: u64,
    /// Where in the segment that would have begun.
    pub end: u64,
    /// The errno of what failed; 0: nothing did, it is full or its file was removed.
    pub error: i32,
}

/// Records that were handed over together.
struct Chunk {
    records: u32,
    /// MessagePack, one behind the other.
    bytes: Box<[u8]>,
    /// Calls of which something is held for them.
    releases: Vec<u64>,
    /// Somebody wants to be told.
    tell: bool,
}

impl Chunk {
    fn is_awaited(&self) -> bool {
        self.tell || !self.releases.is_empty()
    }
}

#[derive(Default)]
struct State {
    /// None while it is being written to, and in trouble.
    segment: Option<Segment>,
    /// Set until `resume`.
    trouble: Option<Trouble>,
    waiting: VecDeque<Chunk>,
    /// Somebody waits for one of these.
    awaited: bool,
    /// When the last group was begun.
    begun: Option<Instant>,
    hurried: bool,
    /// Not known to be in the database.
    groups: VecDeque<Group>,
    /// Of these.
    bytes: u64,
    /// Records, since the start.
    durable: u64,
    /// Nobody has asked for `durable` since it grew.
    untold: bool,
    /// Groups, since the start.
    written: u64,
    end: u64,
    /// Whoever applies groups waits for so many records after this sequence.
    wanted: Option<(u64, u64)>,
    interrupted: bool,
    closed: bool,
}

impl State {
    fn records_after(&self, sequence: u64) -> u64 {
        let newest_first = self.groups.iter().rev();
        newest_first
            .take_while(|group| group.sequence > sequence)
            .map(|group| u64::from(group.records))
            .sum()
    }
}

struct Inner {
    state: Mutex<State>,
    /// There is something to append, or less time for it.
    work: Condvar,
    /// Somebody else has to go on.
    stuck: Condvar,
    /// Groups are there to be applied.
    ready: Condvar,
    /// Raised when records are durable of which somebody wants to be told.
    told: Wake,
    engine: Option<Arc<Shared>>,
    window: Duration,
    most: u32,
}

/// The thread and its queue. Every method may be called on any thread.
pub struct Appender {
    inner: Arc<Inner>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Appender {
    /// `engine`: whose held messages go out with the records. `window`: groups begin no oftener than this, those
    /// that nobody waits for [`UNAWAITED`] times more rarely.
    /// `most`: records of one group. In trouble until the first [`Appender::resume`].
    pub fn start(engine: Option<Arc<Shared>>, window: Duration, most: u32) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            state: Mutex::new(State {
                trouble: Some(Trouble {
                    records: 0,
                    sequence: 0,
                    end: 0,
                    error: 0,
                }),
                ..State::default()
            }),
            work: Condvar::new(),
            stuck: Condvar::new(),
            ready: Condvar::new(),
            told: Wake::new()?,
            engine,
            window,
            most,
        });
        let run = inner.clone();
        let thread = std::thread::Builder::new()
            .name("sipguard-redo".to_owned())
            .spawn(move || run.append_all())?;
        Ok(Appender {
            inner,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Have records made durable: a MessagePack array of them. Then what is held of `releases` goes, the
    /// oldest message of each call, and the descriptor of [`Appender::fd`] is raised if `tell`.
    ///
    /// False: these bytes are no array.
    pub fn push(&self, array: &[u8], releases: Vec<u64>, tell: bool) -> bool {
        let Some((records, begin)) = frame::array(array) else {
            return false;
        };
        let chunk = Chunk {
            records,
            bytes: array[begin..].into(),
            releases,
            tell,
        };
        let mut state = self.inner.state.lock();
        let sooner = state.waiting.is_empty() || (chunk.is_awaited() && !state.awaited);
        state.awaited |= chunk.is_awaited();
        state.waiting.push_back(chunk);
        let stuck = state.trouble.is_some();
        drop(state);
        if stuck {
            self.inner.stuck.notify_one();
        } else if sooner {
            self.inner.work.notify_one();
        }
        true
    }

    /// What waits is to be durable at once.
    pub fn hurry(&self) {
        self.inner.state.lock().hurried = true;
        self.inner.work.notify_one();
    }

    /// Go on in this segment.
    pub fn resume(&self, segment: Segment) {
        let mut state = self.inner.state.lock();
        state.end = segment.end;
        state.segment = Some(segment);
        state.trouble = None;
        drop(state);
        self.inner.work.notify_one();
    }

    /// Wait until records cannot be appended; None once closed. `resume` ends it.
    pub fn trouble(&self) -> Option<Trouble> {
        let mut state = self.inner.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let (Some(trouble), false) = (state.trouble, state.waiting.is_empty()) {
                let records = state.waiting.iter().take(self.inner.fit(&state.waiting));
                let records = records.map(|chunk| chunk.records).sum();
                return Some(Trouble { records, ..trouble });
            }
            self.inner.stuck.wait(&mut state);
        }
    }

    /// In trouble, the oldest `records` that wait were made durable by other means, as this group.
    pub fn appended(&self, records: u32, sequence: u64, bytes: u64) {
        let mut chunks = Vec::new();
        let mut state = self.inner.state.lock();
        let mut left = records;
        while left > 0 {
            let Some(chunk) = state.waiting.pop_front() else {
                break;
            };
            left = left.saturating_sub(chunk.records);
            chunks.push(chunk);
        }
        // What the segment of before had has been told.
        state.trouble = state.trouble.map(|trouble| Trouble {
            sequence: 0,
            error: 0,
            ..trouble
        });
        drop(state);
        self.inner.durable(chunks, records, sequence, bytes);
    }

    /// Groups after `sequence` that are not applied.
    pub fn groups(&self, sequence: u64) -> Vec<Group> {
        let state = self.inner.state.lock();
        let groups = state.groups.iter();
        let groups = groups.skip_while(|group| group.sequence <= sequence);
        groups.copied().collect()
    }

    /// Wait until there are `enough` records in groups after `sequence`, for `timeout` at most, or until
    /// [`Appender::interrupt`]. One at a time waits here.
    pub fn wait(&self, sequence: u64, enough: u64, timeout: Option<Duration>) {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = self.inner.state.lock();
        while !state.closed && !state.interrupted && state.records_after(sequence) < enough {
            state.wanted = Some((sequence, enough));
            match until {
                None => self.inner.ready.wait(&mut state),
                Some(until) => {
                    if self.inner.ready.wait_until(&mut state, until).timed_out() {
                        break;
                    }
                }
            }
        }
        state.wanted = None;
        state.interrupted = false;
    }

    /// Whoever waits in [`Appender::wait`], or next comes to it, is to go on.
    pub fn interrupt(&self) {
        self.inner.state.lock().interrupted = true;
        self.inner.ready.notify_all();
    }

    /// The database holds the groups up to this one.
    pub fn applied(&self, sequence: u64) {
        let mut state = self.inner.state.lock();
        while let Some(group) = state.groups.front().copied() {
            if group.sequence > sequence {
                break;
            }
            state.groups.pop_front();
            state.bytes -= group.bytes;
        }
    }

    /// How long the oldest group that is not in the database has been durable, 0 if all are; bytes of these.
    pub fn behind(&self) -> (Nanos, u64) {
        let state = self.inner.state.lock();
        let oldest = state.groups.front();
        (
            oldest.map_or(0, |group| clock().saturating_sub(group.since)),
            state.bytes,
        )
    }

    /// Records that became durable since the start, and in how many groups.
    pub fn counts(&self) -> (u64, u64) {
        let mut state = self.inner.state.lock();
        state.untold = false;
        (state.durable, state.written)
    }

    /// Where in the segment the next group would begin.
    pub fn end(&self) -> u64 {
        self.inner.state.lock().end
    }

    /// Readable when records have become durable of which somebody wants to be told; with others only once
    /// nobody has asked for [`Appender::counts`] for a while.
    pub fn fd(&self) -> RawFd {
        self.inner.told.fd()
    }

    /// Whoever wants to be told is about to look.
    pub fn clear(&self) {
        self.inner.told.clear();
    }

    /// Append nothing more, let go of the segment, and have nobody wait here any longer.
    pub fn close(&self) {
        self.inner.state.lock().closed = true;
        for waited in [&self.inner.work, &self.inner.stuck, &self.inner.ready] {
            waited.notify_all();
        }
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join(); // it can only have ended
        }
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    fn append_all(&self) {
        let mut bytes = Vec::new();
        while let Some((mut segment, chunks)) = self.next() {
            let records = chunks.iter().map(|chunk| chunk.records).sum();
            let parts = chunks.iter().map(|chunk| &*chunk.bytes);
            frame::pack(&mut bytes, segment.sequence, segment.seed, records, parts);
            let written = if segment.end + bytes.len() as u64 > segment.limit {
                Ok(false)
            } else {
                write(&segment, &bytes)
            };
            match written {
                Ok(true) => {
                    let sequence = segment.sequence;
                    segment.sequence += 1;
                    segment.end += bytes.len() as u64;
                    // Its segment first: who is told of the records may ask where it ends.
                    self.give_back(segment);
                    self.durable(chunks, records, sequence, bytes.len() as u64);
                }
                Ok(false) => self.give_up(&segment, chunks, 0),
                Err(error) => {
                    let error = error.raw_os_error().unwrap_or(libc::EIO);
                    self.give_up(&segment, chunks, error);
                }
            }
        }
    }

    /// Wait until it is time for a group, and take it; None once closed.
    fn next(&self) -> Option<(Segment, Vec<Chunk>)> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if state.segment.is_none() || state.waiting.is_empty() {
                if !state.untold {
                    self.work.wait(&mut state);
                } else if self.work.wait_for(&mut state, QUIET).timed_out() {
                    state.untold = false;
                    self.told.raise();
                }
                continue;
            }
            let now = Instant::now();
            let windows = if state.awaited { 1 } else { UNAWAITED };
            let due = state
                .begun
                .map_or(now, |begun| begun + windows * self.window);
            if due > now && !state.hurried {
                self.work.wait_until(&mut state, due);
                continue;
            }
            let some = self.fit(&state.waiting);
            let chunks: Vec<Chunk> = state.waiting.drain(..some).collect();
            state.awaited = state.waiting.iter().any(Chunk::is_awaited);
            state.begun = Some(now);
            state.hurried = state.hurried && !state.waiting.is_empty();
            return state.segment.take().map(|segment| (segment, chunks));
        }
    }

    /// How many of what waits make one group: one at least.
    fn fit(&self, waiting: &VecDeque<Chunk>) -> usize {
        let mut records = 0;
        let more = waiting.iter().take_while(|chunk| {
            let first = records == 0;
            records += chunk.records;
            first || records <= self.most
        });
        more.count()
    }

    fn give_back(&self, segment: Segment) {
        let mut state = self.state.lock();
        state.end = segment.end;
        state.segment = Some(segment);
    }

    /// Write no more to this segment; the group that it should have had waits again.
    fn give_up(&self, segment: &Segment, chunks: Vec<Chunk>, error: i32) {
        let mut state = self.state.lock();
        for chunk in chunks.into_iter().rev() {
            state.awaited |= chunk.is_awaited();
            state.waiting.push_front(chunk);
        }
        state.trouble = Some(Trouble {
            records: 0,
            sequence: segment.sequence,
            end: segment.end,
            error,
        });
        drop(state);
        self.stuck.notify_one();
    }

    /// These are on disk: what waits for them goes, and whoever wants to know is told.
    ///
    /// Under the lock of the endpoint: whoever knows of the records gives no order before those messages, and
    /// whoever reads an event that followed from them knows of the records.
    fn durable(&self, chunks: Vec<Chunk>, records: u32, sequence: u64, bytes: u64) {
        if let Some(engine) = &self.engine {
            let mut endpoint = engine.endpoint();
            endpoint.set_now(clock());
            self.note(records, sequence, bytes);
            let mut any = false;
            for call in chunks.iter().flat_map(|chunk| &chunk.releases) {
                any |= endpoint.release(*call);
            }
            drop(endpoint);
            if any {
                engine.flush();
            }
        } else {
            self.note(records, sequence, bytes);
        }
        if chunks.iter().any(|chunk| chunk.tell) {
            self.told.raise();
        }
    }

    fn note(&self, records: u32, sequence: u64, bytes: u64) {
        let mut state = self.state.lock();
        state.durable += u64::from(records);
        state.written += 1;
        state.untold = true;
        state.bytes += bytes;
        state.groups.push_back(Group {
            sequence,
            records,
            bytes,
            since: clock(),
        });
        let wanted = state.wanted;
        let ready =
            wanted.is_some_and(|(sequence, enough)| state.records_after(sequence) >= enough);
        drop(state);
        if ready {
            self.ready.notify_one();
        }
    }
}

/// Make a frame durable; false: the file was removed, so it would be in vain.
fn write(segment: &Segment, bytes: &[u8]) -> io::Result<bool> {
    if segment.file.metadata()?.nlink() == 0 {
        return Ok(false);
    }
    segment.file.write_all_at(bytes, segment.end)?;
    segment.file.sync_data()?;
    Ok(true)
}
