//! UDP sockets, read and written in batches (recvmmsg, sendmmsg). The only file that owns a socket; each
//! `unsafe` block is one system call over memory that this file owns.

#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::transport::{canonical, Flow, Listener, Outbox};

/// Datagrams per system call. Large enough to share its cost, small enough that a batch is decided on and
/// sent within a millisecond.
pub const BATCH: usize = 64;
/// No UDP datagram is longer.
const DATAGRAM: usize = 65_536;
/// Asked for on each socket; holds about a second of signalling at 2,000 calls per second.
const SOCKET_BUFFER: libc::c_int = 8 << 20;

/// The sockets, by listener; None for a listener without UDP.
pub type Sockets = Vec<Option<Arc<UdpSocket>>>;

/// Bind a socket; returns it and what peers are told of it.
pub fn bind(
    addr: SocketAddr,
    advertise: Option<(&str, u16)>,
) -> io::Result<(Arc<UdpSocket>, Listener)> {
    let socket = open(addr)?;
    let local = socket.local_addr()?;
    Ok((Arc::new(socket), named(local, advertise)))
}

/// A listener that has no UDP socket, only what a driver opens for streams.
pub fn without(addr: SocketAddr, advertise: Option<(&str, u16)>) -> Listener {
    Listener {
        udp: false,
        ..named(addr, advertise)
    }
}

/// What a socket gave.
pub enum Read<'a> {
    /// A datagram.
    Datagram(Flow, &'a [u8]),
    /// One of ours could not be delivered to this peer; its beginning, as ICMP quotes it.
    Undeliverable(SocketAddr, &'a [u8]),
}

/// Reads the sockets, which wait behind one epoll descriptor.
pub struct Reader {
    epoll: OwnedFd,
    sockets: Sockets,
    buffer: Vec<u8>,
    /// Of the last batch: the peers and lengths.
    batch: Vec<(Option<SocketAddr>, usize)>,
    errors: bool,
}

impl Reader {
    /// No socket yet.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no memory; the descriptor is checked and then owned.
        let epoll = unsafe {
            let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            check(epoll)?;
            OwnedFd::from_raw_fd(epoll)
        };
        Ok(Reader {
            epoll,
            sockets: Vec::new(),
            buffer: vec![0; BATCH * DATAGRAM],
            batch: Vec::with_capacity(BATCH),
            errors: false,
        })
    }

    /// Read this socket too, as that of the next listener.
    pub fn add(&mut self, socket: Option<Arc<UdpSocket>>) -> io::Result<()> {
        if let Some(socket) = &socket {
            let mut event = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: self.sockets.len() as u64,
            };
            let (epoll, fd) = (self.epoll.as_raw_fd(), socket.as_raw_fd());
            // SAFETY: `event` lives over the call; both descriptors are open.
            check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) })?;
        }
        self.sockets.push(socket);
        Ok(())
    }

    /// Readable whenever a socket has something to read, errors included.
    pub fn fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// How many listeners there are.
    pub fn listeners(&self) -> usize {
        self.sockets.len()
    }

    /// Read up to a batch from the socket of a listener; how many datagrams it was. [`Reader::each`] has them.
    pub fn fill(&mut self, listener: usize) -> usize {
        self.batch.clear();
        self.errors = false;
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
            self.errors = true;
            return 0;
        };
        for at in 0..count {
            let truncated = headers[at].msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let peer = address(&names[at]).filter(|_| !truncated);
            let length = (headers[at].msg_len as usize).min(DATAGRAM);
            self.batch.push((peer, length));
        }
        count
    }

    /// What the last [`Reader::fill`] of this listener read.
    pub fn each(&mut self, listener: usize, mut take: impl FnMut(Read)) {
        for (chunk, (peer, length)) in self.buffer.chunks_exact(DATAGRAM).zip(&self.batch) {
            if let Some(peer) = peer {
                let flow = Flow::udp(listener as u16, *peer);
                take(Read::Datagram(flow, &chunk[..*length]));
            }
        }
        if self.errors {
            self.read_errors(listener, take);
        }
    }

    /// What ICMP said about datagrams that we sent (ip(7), IP_RECVERR): the name is the destination, the
    /// payload the beginning of what was sent.
    fn read_errors(&mut self, listener: usize, mut take: impl FnMut(Read)) {
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
                take(Read::Undeliverable(peer, &self.buffer[..len.min(DATAGRAM)]));
            }
        }
    }
}

/// What a write could not deliver: where, and the beginning of it.
pub type Undelivered = Vec<(SocketAddr, Vec<u8>)>;

/// Writes to the sockets.
#[derive(Default)]
pub struct Writer {
    sockets: Sockets,
}

impl Writer {
    /// Write to this socket too, as that of the next listener.
    pub fn add(&mut self, socket: Option<Arc<UdpSocket>>) {
        self.sockets.push(socket);
    }

    /// Send what is queued. What is left in the queue found its socket full. Returns how many were sent, and
    /// those that the system refused.
    pub fn write(&self, outbox: &mut Outbox) -> (u64, Undelivered) {
        let mut lost = Undelivered::new();
        // The error of an earlier datagram may be reported on this call; the call after it sends.
        let mut reported = false;
        let mut sent = 0;
        while !outbox.is_empty() {
            let (done, error) = self.write_batch(outbox);
            sent += done as u64;
            outbox.sent(done);
            match error {
                None => {}
                Some(libc::EAGAIN) => break,
                Some(libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EINTR)
                    if !reported =>
                {
                    reported = true;
                }
                Some(_) => {
                    reported = false;
                    if let Some((flow, bytes)) = outbox.iter().next() {
                        lost.push((flow.peer, bytes[..bytes.len().min(2048)].to_vec()));
                    }
                    outbox.sent(1);
                }
            }
        }
        (sent, lost)
    }

    /// One sendmmsg over the messages in front that leave from the same socket.
    fn write_batch(&self, outbox: &Outbox) -> (usize, Option<libc::c_int>) {
        // SAFETY: all-zero is a valid value of these C structures.
        let (mut names, mut headers): ([libc::sockaddr_storage; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (zeroed(), zeroed()) };
        let mut slices: [libc::iovec; BATCH] = std::array::from_fn(|_| libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        });
        let mut listener = None;
        let mut count = 0;
        for (flow, bytes) in outbox.iter().take(BATCH) {
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
    Listener {
        ipv6: local.is_ipv6(),
        ..Listener::new(host, port)
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn open(addr: SocketAddr) -> io::Result<UdpSocket> {
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
        let (socket, _) = bind(SocketAddr::from(([127, 0, 0, 1], 0)), None)?;
        let (mut reader, mut writer) = (Reader::new()?, Writer::default());
        reader.add(Some(socket.clone()))?;
        writer.add(Some(socket));
        let closed = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let open = UdpSocket::bind("127.0.0.1:0")?;
        open.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
        let to = |peer| Flow::udp(0, peer);
        let (mut all, mut reported) = (0, 0);
        for round in 0..3 {
            let mut outbox = Outbox::default();
            outbox.push(to(closed), b"OPTIONS");
            outbox.push(to(open.local_addr()?), b"OPTIONS");
            let (sent, lost) = writer.write(&mut outbox);
            assert!(outbox.is_empty());
            all += sent + lost.len() as u64;
            let mut buffer = [0; 16];
            assert_eq!(open.recv(&mut buffer)?, 7, "round {round}");
            assert_eq!(reader.fill(0), 0);
            reader.each(0, |read| {
                assert!(matches!(read, Read::Undeliverable(peer, b"OPTIONS") if peer == closed));
                reported += 1;
            });
        }
        assert_eq!(all, 6);
        assert!(reported > 0);
        Ok(())
    }
}
