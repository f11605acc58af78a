//! Request validation, RFC 3261 16.3: the checks that need no decision, in the order of the section.

use crate::header;
use crate::message::{Index, Name};
use crate::transport::Transport;
use crate::uri::{self, Scheme};

/// Why a request is answered by the engine itself.
pub struct Problem {
    /// SIP status.
    pub status: u16,
    /// Reason phrase.
    pub phrase: &'static str,
    /// Whole header lines for the response.
    pub extra: Vec<u8>,
}

impl Problem {
    fn new(status: u16, phrase: &'static str) -> Self {
        Problem {
            status,
            phrase,
            extra: Vec::new(),
        }
    }
}

/// Header line of a 480 to a request that would have to go over TLS, and cannot (RFC 5630 section 5.3).
pub const SIPS_NOT_ALLOWED: &[u8] = b"Warning: 380 sipguard \"SIPS Not Allowed\"\r\n";

/// How requests come and may come.
#[derive(Clone, Copy)]
pub struct Ways {
    /// What has carried this one.
    pub arrived: Transport,
    /// Whether some listener is for TLS.
    pub tls: bool,
}

/// Syntax, scheme, Max-Forwards, loops, Proxy-Require: the first that fails.
pub fn check(
    bytes: &[u8],
    index: &Index,
    ways: Ways,
    is_loop: impl FnOnce() -> bool,
) -> Result<(), Problem> {
    syntax(index)?;
    scheme(bytes, index, ways)?;
    max_forwards(index)?;
    if is_loop() {
        return Err(Problem::new(482, "Loop Detected")); // step 4
    }
    proxy_require(bytes, index)
}

/// Step 1.
fn syntax(index: &Index) -> Result<(), Problem> {
    match &index.fault {
        None => Ok(()),
        Some(fault) if fault.status == 400 => Err(Problem::new(400, "Bad Request")),
        Some(fault) => Err(Problem::new(fault.status, fault.what)),
    }
}

/// Step 2: `sip`, `tel`, and `sips` where it came over TLS, as on every hop (26.2.2). Inside a dialog the URI is
/// the Contact of the other end, which may be reached in another way than we are, and is not what we route by.
fn scheme(bytes: &[u8], index: &Index, ways: Ways) -> Result<(), Problem> {
    match uri::parse(index.request_uri().of(bytes)).map(|uri| uri.scheme) {
        Ok(Scheme::Sip | Scheme::Tel) => Ok(()),
        Ok(Scheme::Sips) if ways.arrived == Transport::Tls || !index.to.tag.is_empty() => Ok(()),
        Ok(Scheme::Sips) if ways.tls => Err(Problem {
            extra: SIPS_NOT_ALLOWED.to_vec(),
            ..Problem::new(480, "Temporarily Unavailable")
        }),
        Ok(_) => Err(Problem::new(416, "Unsupported URI Scheme")),
        Err(_) => Err(Problem::new(400, "Bad Request")),
    }
}

/// Step 3.
fn max_forwards(index: &Index) -> Result<(), Problem> {
    match index.max_forwards {
        Some(0) => Err(Problem::new(483, "Too Many Hops")),
        _ => Ok(()),
    }
}

/// Step 5: we know no option that a proxy could be required to know.
fn proxy_require(bytes: &[u8], index: &Index) -> Result<(), Problem> {
    let mut options = index
        .all(Name::ProxyRequire)
        .flat_map(|field| header::elements(field.value.of(bytes)))
        .peekable();
    if options.peek().is_none() {
        return Ok(());
    }
    let mut problem = Problem::new(420, "Bad Extension");
    for option in options {
        problem.extra.extend_from_slice(b"Unsupported: ");
        problem.extra.extend_from_slice(option.trim_ascii());
        problem.extra.extend_from_slice(b"\r\n");
    }
    Err(problem)
}
