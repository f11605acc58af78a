//! Waking a thread that waits in the kernel: an eventfd that is written once however often it is raised.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::timer::Nanos;

/// A flag that somebody may wait for.
pub struct Wake {
    fd: OwnedFd,
    raised: AtomicBool,
}

impl Wake {
    /// Not raised.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no memory; the descriptor is checked and then owned.
        let fd = unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Wake {
            fd,
            raised: AtomicBool::new(false),
        })
    }

    /// Readable while raised.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Whether somebody will be woken, or was and has not looked yet.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// Wake whoever waits. What it is woken for must be in place before.
    pub fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            let one = 1u64.to_ne_bytes();
            // SAFETY: eight bytes that live over the call. It cannot fail: the counter is 0 or 1.
            unsafe { libc::write(self.fd(), one.as_ptr().cast(), one.len()) };
        }
    }

    /// Woken. To be called before looking for what there is to do: what is raised after this wakes again.
    pub fn clear(&self) {
        let mut count = [0u8; 8];
        // SAFETY: eight bytes that live over the call; without a count it reads none.
        unsafe { libc::read(self.fd(), count.as_mut_ptr().cast(), count.len()) };
        self.raised.store(false, Ordering::Release);
    }
}

/// Monotonic nanoseconds: the clock of Python's `time.monotonic_ns`.
pub fn clock() -> Nanos {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` lives over the call, which cannot fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as Nanos * 1_000_000_000 + time.tv_nsec as Nanos
}

/// Sleep until one of the descriptors is readable or `timeout` is over; None: however long it takes.
pub fn wait(readable: &[RawFd], timeout: Option<Nanos>) {
    let mut polled = [libc::pollfd {
        fd: -1,
        events: libc::POLLIN,
        revents: 0,
    }; 2];
    for (slot, fd) in polled.iter_mut().zip(readable) {
        slot.fd = *fd;
    }
    let time = timeout.map(|nanos| libc::timespec {
        tv_sec: (nanos / 1_000_000_000) as libc::time_t,
        tv_nsec: (nanos % 1_000_000_000) as libc::c_long,
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let count = readable.len().min(polled.len()) as libc::nfds_t;
    // SAFETY: `polled` and `time` live over the call. A failure is an early return, which is allowed.
    unsafe { libc::ppoll(polled.as_mut_ptr(), count, time, std::ptr::null()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_twice_is_woken_once_and_can_be_raised_again() -> io::Result<()> {
        let wake = Wake::new()?;
        let is_readable = || {
            let mut polled = libc::pollfd {
                fd: wake.fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: `polled` lives over the call.
            unsafe { libc::poll(&mut polled, 1, 0) == 1 }
        };
        assert!(!is_readable());
        for _ in 0..2 {
            wake.raise();
            wake.raise();
            assert!(is_readable());
            wake.clear();
            assert!(!is_readable());
        }
        Ok(())
    }
}
