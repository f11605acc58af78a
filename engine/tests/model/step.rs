//! What a run begins with and what happens in it, read from bytes: every sequence of bytes is one run, so that a
//! fuzzer changes runs by changing bytes, and a failure is kept as bytes.

use sipguard_engine::transport::Transport;

/// Several calls with every mishap; to begin and to end a run costs as much as tens of messages.
const STEPS_MAX: usize = 240;

/// How sipguard is set up, and what carries messages.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub asks_requests: bool,
    pub asks_registers: bool,
    pub pings_and_session_timers: bool,
    pub resolves_names: bool,
    pub authenticates: bool,
    pub hides_topology: bool,
    pub hides_call_id: bool,
    /// The gateway is a registered phone.
    pub to_phone: bool,
    pub trusts_caller: bool,
    /// Gateways are told another caller than calls.
    pub presents: bool,
    pub switches_large: bool,
    pub traces: bool,
    pub caller: Transport,
    pub gateway: Transport,
}

/// One thing that happens. Numbers that point at something (a message, a call, a connection) are taken modulo what
/// there is.
#[derive(Clone, Debug)]
pub enum Step {
    /// A request of the caller.
    Request(Request),
    /// A request of a gateway inside a dialog.
    FromGateway(Request),
    /// A response of a gateway to something that was sent to it: which, status, To tag, further header.
    Respond(usize, u16, u8, u8),
    /// The same bytes again, perhaps with one changed.
    Repeat(usize, Option<(usize, u8)>),
    /// ICMP for something that was sent.
    Undeliverable(usize),
    /// Milliseconds go by.
    Wait(u64),
    Release(usize),
    Hangup(usize),
    Cancel(usize),
    /// A datagram of anything.
    Bytes(Vec<u8>),
    /// The request that a challenge refused, with the right password.
    Authorize(usize),
    /// A peer opens a connection.
    Accept,
    /// Anything comes over a connection.
    Write(usize, Vec<u8>),
    /// A connection is closed by its peer, or half of it.
    Close(usize, bool),
    /// The process ends; what was saved of the calls that are up is restored by another.
    Restart,
}

#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub method: &'static str,
    pub call: u8,
    pub cseq: u32,
    pub branch: u8,
    pub tag: u8,
    pub extra: u8,
}

pub const METHODS: [&str; 12] = [
    "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "PRACK", "INFO", "XYZZY", "REGISTER",
    "REFER", "NOTIFY",
];
pub const STATUSES: [u16; 16] = [
    100, 180, 183, 200, 202, 302, 401, 404, 408, 422, 481, 486, 487, 491, 503, 603,
];

/// The setup and the steps that these bytes stand for.
pub fn read(bytes: &[u8]) -> (Setup, Vec<Step>) {
    let mut bytes = Bytes(bytes);
    let bits = bytes.word();
    let is = |bit: u32| bits >> bit & 1 == 1;
    let transport = |low: u32| match bits >> low & 3 {
        2 => Transport::Tcp,
        3 => Transport::Tls,
        _ => Transport::Udp,
    };
    let setup = Setup {
        asks_requests: is(0),
        asks_registers: is(1),
        pings_and_session_timers: is(2),
        resolves_names: is(3),
        authenticates: is(4),
        hides_topology: is(5),
        hides_call_id: is(5) && is(6),
        to_phone: is(7),
        trusts_caller: is(8),
        presents: is(9),
        switches_large: is(10),
        traces: is(11),
        caller: transport(12),
        gateway: transport(14),
    };
    let mut steps = Vec::new();
    while !bytes.0.is_empty() && steps.len() < STEPS_MAX {
        steps.push(step(&mut bytes));
    }
    (setup, steps)
}

fn step(bytes: &mut Bytes) -> Step {
    match bytes.below(27) {
        0..=4 => Step::Request(request(bytes)),
        5 | 6 => Step::FromGateway(request(bytes)),
        7..=11 => Step::Respond(
            bytes.index(),
            STATUSES[bytes.below(STATUSES.len())],
            bytes.below(4) as u8,
            bytes.byte(),
        ),
        12 => Step::Repeat(bytes.index(), None),
        13 => Step::Repeat(
            bytes.index(),
            Some((usize::from(bytes.word()), bytes.byte())),
        ),
        14 => Step::Undeliverable(bytes.index()),
        15 | 16 => Step::Wait(u64::from(bytes.word())),
        17 | 18 => Step::Release(bytes.index()),
        19 => Step::Hangup(bytes.index()),
        20 => Step::Cancel(bytes.index()),
        21 => Step::Bytes(bytes.some()),
        22 => Step::Authorize(bytes.index()),
        23 => Step::Accept,
        24 => Step::Write(bytes.index(), bytes.some()),
        25 => Step::Close(bytes.index(), bytes.byte() & 1 == 1),
        // Seldom: it ends most of what is interesting, and costs the most.
        _ => match bytes.below(16) {
            0 => Step::Restart,
            short => Step::Wait(100 * short as u64),
        },
    }
}

fn request(bytes: &mut Bytes) -> Request {
    Request {
        // Half of them begin calls.
        method: METHODS[bytes.below(2 * METHODS.len()).saturating_sub(METHODS.len())],
        call: bytes.below(3) as u8,
        cseq: bytes.below(4) as u32 + 1,
        branch: bytes.below(5) as u8,
        tag: bytes.below(4) as u8,
        extra: bytes.byte(),
    }
}

/// Bytes that are read from the front; zeros once they are used up.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    fn index(&mut self) -> usize {
        usize::from(self.byte())
    }

    fn some(&mut self) -> Vec<u8> {
        let count = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken.to_vec()
    }
}
