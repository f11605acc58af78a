//! UDP sockets, read and written in batches (recvmmsg, sendmmsg). The only file that owns a socket, and the
//! only one with `unsafe`: each block is one system call over memory that this file owns.

#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::endpoint::Endpoint;
use crate::timer::Nanos;
use crate::transport::{canonical, Flow, Listener};

/// Datagrams per system call. Large enough to share its cost, small enough that a batch is decided on and
/// sent within a millisecond.
const BATCH: usize = 64;
/// No UDP datagram is longer.
const DATAGRAM: usize = 65_536;
/// Asked for on each socket; holds about a second of signalling at 2,000 calls per second.
const SOCKET_BUFFER: libc::c_int = 8 << 20;

/// Key of the timer among the descriptors of the epoll set.
const TIMER: u64 = u64::MAX;

/// The sockets of an endpoint behind one epoll descriptor.
///
/// An event loop watches that descriptor instead of the sockets: a socket with a queued ICMP error reports
/// EPOLLERR, on which libuv would stop watching it.
///
/// Under load, waking for every datagram costs more than the datagram. So while datagrams come faster than
/// `gather`, the sockets are not watched; a timer in the same set wakes the loop once per `gather` for all that
/// came meanwhile, as network cards moderate their interrupts. The first datagram after a pause is read at once.
pub struct Udp {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// By listener; None for one without UDP.
    sockets: Vec<Option<UdpSocket>>,
    buffer: Vec<u8>,
    more: bool,
    gather: Nanos,
    gathering: bool,
    last_read: Nanos,
}

impl Udp {
    /// No socket yet. `gather`: how long a datagram under load may wait for others; 0: not at all.
    pub fn new(gather: Nanos) -> io::Result<Self> {
        // SAFETY: takes no memory; the descriptors are checked and then owned.
        let (epoll, timer) = unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            check(epoll)?;
            let epoll = OwnedFd::from_raw_fd(epoll);
            let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
            let timer = libc::timerfd_create(libc::CLOCK_MONOTONIC, flags);
            check(timer)?;
            (epoll, OwnedFd::from_raw_fd(timer))
        };
        let mut udp = Udp {
            epoll,
            timer,
            sockets: Vec::new(),
            buffer: vec![0; BATCH * DATAGRAM],
            more: false,
            gather,
            gathering: false,
            last_read: 0,
        };
        udp.watch(libc::EPOLL_CTL_ADD, udp.timer.as_raw_fd(), TIMER, true)?;
        Ok(udp)
    }

    /// Bind a socket and make it known to the endpoint.
    pub fn listen(
        &mut self,
        endpoint: &mut Endpoint,
        addr: SocketAddr,
        advertise: Option<(&str, u16)>,
    ) -> io::Result<u16> {
        let socket = bind(addr)?;
        let local = socket.local_addr()?;
        let key = self.sockets.len() as u64;
        self.watch(libc::EPOLL_CTL_ADD, socket.as_raw_fd(), key, true)?;
        self.sockets.push(Some(socket));
        Ok(endpoint.add_listener(named(local, advertise)))
    }

    /// Make a listener known that has no UDP socket, only what a driver opens for streams.
    pub fn listen_without(
        &mut self,
        endpoint: &mut Endpoint,
        addr: SocketAddr,
        advertise: Option<(&str, u16)>,
    ) -> u16 {
        self.sockets.push(None);
        endpoint.add_listener(Listener {
            udp: false,
            ..named(addr, advertise)
        })
    }

    /// Readable whenever [`Udp::read`] has something to do.
    pub fn fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// The last read filled a batch: there may be more.
    pub fn more(&self) -> bool {
        self.more
    }

    /// Read up to a batch from every socket into the endpoint.
    pub fn read(&mut self, endpoint: &mut Endpoint, now: Nanos) {
        self.more = false;
        let mut count = 0;
        for listener in 0..self.sockets.len() {
            count += self.read_batch(endpoint, now, listener);
        }
        let dense = now.saturating_sub(self.last_read) < 2 * self.gather;
        if count > 0 {
            self.last_read = now;
        }
        self.moderate(count > 0 && dense);
    }

    /// Gather for a while (or one while more), or go back to waking for each datagram.
    fn moderate(&mut self, gather: bool) {
        if gather != self.gathering {
            self.gathering = gather;
            for key in 0..self.sockets.len() {
                let Some(Some(socket)) = self.sockets.get(key) else {
                    continue;
                };
                let fd = socket.as_raw_fd();
                // Both cannot fail for a descriptor that is in the set; if they did, nothing is lost but time.
                let _ = self.watch(libc::EPOLL_CTL_MOD, fd, key as u64, !gather);
            }
            if !gather {
                self.set_timer(0);
            }
        }
        if gather {
            self.set_timer(self.gather);
        }
    }

    /// Once after `delay`; never for 0. Setting it again also takes back that it fired.
    fn set_timer(&self, delay: Nanos) {
        let mut spec = libc::itimerspec {
            it_interval: libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
        };
        spec.it_value.tv_sec = (delay / 1_000_000_000) as libc::time_t;
        spec.it_value.tv_nsec = (delay % 1_000_000_000) as libc::c_long;
        // SAFETY: `spec` lives over the call.
        unsafe { libc::timerfd_settime(self.timer.as_raw_fd(), 0, &spec, std::ptr::null_mut()) };
    }

    /// Put a descriptor into the set, or change whether it is waited for. Errors are reported either way.
    fn watch(&mut self, operation: libc::c_int, fd: RawFd, key: u64, read: bool) -> io::Result<()> {
        let events = if read { libc::EPOLLIN as u32 } else { 0 };
        let mut event = libc::epoll_event { events, u64: key };
        // SAFETY: `event` lives over the call; both descriptors are open.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &mut event) })
    }

    fn read_batch(&mut self, endpoint: &mut Endpoint, now: Nanos, listener: usize) -> usize {
        let Some(Some(socket)) = self.sockets.get(listener) else {
            return 0;
        };
        // SAFETY: all-zero is a valid value of these C structures.
        let (mut names, mut headers): ([libc::sockaddr_storage; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (zeroed(), zeroed()) };
        let mut slices: [libc::iovec; BATCH] = std::array::from_fn(|_| libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: DATAGRAM,
        });
        for (at, chunk) in self.buffer.chunks_exact_mut(DATAGRAM).enumerate() {
            slices[at].iov_base = chunk.as_mut_ptr().cast();
        }
        for at in 0..BATCH {
            headers[at].msg_hdr.msg_name = (&raw mut names[at]).cast();
            headers[at].msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            headers[at].msg_hdr.msg_iov = &raw mut slices[at];
            headers[at].msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: every header names an address and a buffer of the lengths that it says, all alive here.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            // No datagram: then perhaps it was a queued ICMP error that woke us. It has to be read, whether
            // the call reported it or a send did before: as long as it is queued, the set stays readable.
            self.read_errors(endpoint, now, listener);
            return 0;
        };
        self.more |= count == BATCH;
        for at in 0..count {
            let truncated = headers[at].msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let Some(peer) = address(&names[at]).filter(|_| !truncated) else {
                continue;
            };
            let start = at * DATAGRAM;
            let bytes = &self.buffer[start..start + (headers[at].msg_len as usize).min(DATAGRAM)];
            endpoint.receive(now, Flow::udp(listener as u16, peer), bytes);
        }
        count
    }

    /// What ICMP said about datagrams that we sent (ip(7), IP_RECVERR): the name is the destination, the
    /// payload the beginning of what was sent.
    fn read_errors(&mut self, endpoint: &mut Endpoint, now: Nanos, listener: usize) {
        let Some(Some(socket)) = self.sockets.get(listener) else {
            return;
        };
        for _ in 0..BATCH {
            // SAFETY: all-zero is a valid value of these C structures.
            let (mut name, mut header): (libc::sockaddr_storage, libc::msghdr) =
                unsafe { (zeroed(), zeroed()) };
            let mut control = [0u64; 64];
            let mut slice = libc::iovec {
                iov_base: self.buffer.as_mut_ptr().cast(),
                iov_len: DATAGRAM,
            };
            header.msg_name = (&raw mut name).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            header.msg_iov = &raw mut slice;
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = size_of::<[u64; 64]>();
            // SAFETY: the header names buffers of the lengths that it says, all alive here.
            let len = unsafe {
                libc::recvmsg(
                    socket.as_raw_fd(),
                    &mut header,
                    libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT,
                )
            };
            let Ok(len) = usize::try_from(len) else {
                return;
            };
            if let Some(peer) = address(&name) {
                endpoint.undeliverable(now, peer, &self.buffer[..len.min(DATAGRAM)]);
            }
        }
    }

    /// Send what is queued; returns how many are left because a socket is full.
    pub fn write(&mut self, endpoint: &mut Endpoint, now: Nanos) -> usize {
        let mut lost: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        let mut sent = 0;
        loop {
            let (done, error) = self.write_batch(endpoint);
            sent += done as u64;
            endpoint.outbox().sent(done);
            match error {
                None if endpoint.outbox().is_empty() => break,
                None => {}
                Some(libc::EAGAIN) => break,
                // The error of an earlier datagram, reported on this call: the next call sends.
                Some(libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EINTR)
                    if !lost.iter().any(|(_, bytes)| bytes.is_empty()) =>
                {
                    lost.push((
                        SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
                        Vec::new(),
                    ));
                }
                Some(_) => {
                    lost.retain(|(_, bytes)| !bytes.is_empty());
                    if let Some((flow, bytes)) = endpoint.outbox().iter().next() {
                        lost.push((flow.peer, bytes[..bytes.len().min(2048)].to_vec()));
                    }
                    endpoint.outbox().sent(1);
                }
            }
        }
        endpoint.counters.sent += sent;
        for (peer, bytes) in lost.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            endpoint.undeliverable(now, peer, &bytes);
        }
        endpoint.outbox().len()
    }

    /// One sendmmsg over the messages in front that leave from the same socket.
    fn write_batch(&mut self, endpoint: &mut Endpoint) -> (usize, Option<libc::c_int>) {
        // SAFETY: all-zero is a valid value of these C structures.
        let (mut names, mut headers): ([libc::sockaddr_storage; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (zeroed(), zeroed()) };
        let mut slices: [libc::iovec; BATCH] = std::array::from_fn(|_| libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        });
        let mut listener = None;
        let mut count = 0;
        for (flow, bytes) in endpoint.outbox().iter().take(BATCH) {
            if *listener.get_or_insert(flow.listener) != flow.listener {
                break;
            }
            let len = write_address(&mut names[count], flow.peer);
            slices[count] = libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            };
            headers[count].msg_hdr.msg_name = (&raw mut names[count]).cast();
            headers[count].msg_hdr.msg_namelen = len;
            headers[count].msg_hdr.msg_iov = &raw mut slices[count];
            headers[count].msg_hdr.msg_iovlen = 1;
            count += 1;
        }
        let socket = listener.and_then(|listener| self.sockets.get(listener as usize)?.as_ref());
        let Some(socket) = socket else {
            return (count, None); // a listener without UDP: lost, and its timers tell
        };
        // SAFETY: every header names an address and bytes of the lengths that it says; the kernel only reads.
        let done = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count as u32,
                libc::MSG_DONTWAIT,
            )
        };
        match usize::try_from(done) {
            Ok(done) => (done, None),
            Err(_) => (0, io::Error::last_os_error().raw_os_error()),
        }
    }
}

fn named(local: SocketAddr, advertise: Option<(&str, u16)>) -> Listener {
    let own = local.ip().to_string();
    let (host, port) = advertise.unwrap_or((&own, local.port()));
    Listener::new(host, port)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
    let family = if addr.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    // SAFETY: takes no memory; the descriptor is checked and then owned.
    let socket = unsafe {
        let fd = libc::socket(
            family,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            0,
        );
        check(fd)?;
        UdpSocket::from_raw_fd(fd)
    };
    let set = |level, option, value: libc::c_int| {
        // SAFETY: `value` is an int and lives over the call.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                level,
                option,
                (&raw const value).cast(),
                size_of::<libc::c_int>() as u32,
            )
        }
    };
    if addr.is_ipv4() {
        check(set(libc::IPPROTO_IP, libc::IP_RECVERR, 1))?;
    } else {
        check(set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1))?;
        check(set(libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1))?;
    }
    for (forced, plain) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ] {
        // Beyond the system's limit where we may, up to it where not.
        if set(libc::SOL_SOCKET, forced, SOCKET_BUFFER) < 0 {
            set(libc::SOL_SOCKET, plain, SOCKET_BUFFER);
        }
    }
    // SAFETY: all-zero is a valid value of this C structure.
    let mut name: libc::sockaddr_storage = unsafe { zeroed() };
    let len = write_address(&mut name, addr);
    // SAFETY: `name` holds an address of length `len`.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const name).cast(), len) })?;
    Ok(socket)
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that a sockaddr_in is in there; the storage is larger and aligned.
            let v4 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            Some(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr))),
                u16::from_be(v4.sin_port),
            ))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            Some(canonical(SocketAddr::new(
                IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)),
                u16::from_be(v6.sin6_port),
            )))
        }
        _ => None,
    }
}

fn write_address(name: &mut libc::sockaddr_storage, addr: SocketAddr) -> libc::socklen_t {
    match addr {
        SocketAddr::V4(v4) => {
            // SAFETY: the storage is larger than a sockaddr_in and aligned for it.
            let out = unsafe { &mut *(&raw mut *name).cast::<libc::sockaddr_in>() };
            out.sin_family = libc::AF_INET as u16;
            out.sin_port = v4.port().to_be();
            out.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
            size_of::<libc::sockaddr_in>() as u32
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above, for sockaddr_in6.
            let out = unsafe { &mut *(&raw mut *name).cast::<libc::sockaddr_in6>() };
            out.sin6_family = libc::AF_INET6 as u16;
            out.sin6_port = v6.port().to_be();
            out.sin6_addr.s6_addr = v6.ip().octets();
            size_of::<libc::sockaddr_in6>() as u32
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_c_structures() -> Result<(), std::net::AddrParseError> {
        for text in ["127.0.0.1:5060", "[2001:db8::1]:5061"] {
            let addr: SocketAddr = text.parse()?;
            // SAFETY: all-zero is a valid value of this C structure.
            let mut name: libc::sockaddr_storage = unsafe { zeroed() };
            write_address(&mut name, addr);
            assert_eq!(address(&name), Some(addr));
        }
        Ok(())
    }

    #[test]
    fn t10_a_closed_port_is_reported_up_and_the_socket_goes_on() -> io::Result<()> {
        let mut endpoint = Endpoint::new(1, &[1; 32], 0);
        let mut udp = Udp::new(0)?;
        udp.listen(&mut endpoint, SocketAddr::from(([127, 0, 0, 1], 0)), None)?;
        let closed = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let open = UdpSocket::bind("127.0.0.1:0")?;
        open.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
        let to = |peer| Flow::udp(0, peer);
        for round in 0..3 {
            endpoint.outbox().push(to(closed), b"OPTIONS");
            endpoint.outbox().push(to(open.local_addr()?), b"OPTIONS");
            assert_eq!(udp.write(&mut endpoint, 0), 0);
            let mut buffer = [0; 16];
            assert_eq!(open.recv(&mut buffer)?, 7, "round {round}");
            udp.read(&mut endpoint, 0);
        }
        assert!(endpoint.counters.sent >= 6);
        Ok(())
    }
}
