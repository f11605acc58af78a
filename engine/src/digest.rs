//! Digest authentication, the server's side (RFC 3261 section 22, RFC 7616, RFC 8760).
//!
//! A nonce is signed and holds the time at which it was made, so a challenge keeps no state and a nonce outlives
//! a restart. State begins with the first request that proves to know the password: from then on the nonce
//! count has to grow, or somebody is replaying. Passwords are not known here, only their HA1 hashes.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use md5::Md5;
use sha2::{Sha256, Sha512_256};

use crate::header::Params;
use crate::message::{Message, Name, Span};
use crate::print;
use crate::uri;

/// Hash algorithms, the strongest first (RFC 8760 section 2.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // each is the algorithm's own name
pub enum Algorithm {
    Sha512_256,
    Sha256,
    Md5,
}

impl Algorithm {
    /// As the IANA registry spells it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha512_256 => "SHA-512-256",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Md5 => "MD5",
        }
    }

    /// By its name in any case; None for one that we do not speak, the `-sess` variants among them.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5]
            .into_iter()
            .find(|algorithm| name.eq_ignore_ascii_case(algorithm.name().as_bytes()))
    }

    /// Hash of the parts with a colon between them, as lower-case hexadecimal digits.
    pub fn hash(self, parts: &[&[u8]]) -> Vec<u8> {
        fn run<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut hasher = D::new();
            for (position, part) in parts.iter().enumerate() {
                if position > 0 {
                    hasher.update(b":");
                }
                hasher.update(part);
            }
            let mut text = Vec::with_capacity(64);
            for byte in hasher.finalize() {
                text.push(HEX[usize::from(byte >> 4)]);
                text.push(HEX[usize::from(byte & 15)]);
            }
            text
        }
        match self {
            Algorithm::Sha512_256 => run::<Sha512_256>(parts),
            Algorithm::Sha256 => run::<Sha256>(parts),
            Algorithm::Md5 => run::<Md5>(parts),
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Hash of username, realm and password (RFC 7616 section 3.4.2) for each algorithm, as hexadecimal digits.
#[derive(Clone, Copy)]
pub struct Ha1<'a> {
    /// For [`Algorithm::Md5`].
    pub md5: &'a [u8],
    /// For [`Algorithm::Sha256`].
    pub sha256: &'a [u8],
    /// For [`Algorithm::Sha512_256`].
    pub sha512_256: &'a [u8],
}

impl<'a> Ha1<'a> {
    fn of(self, algorithm: Algorithm) -> &'a [u8] {
        match algorithm {
            Algorithm::Sha512_256 => self.sha512_256,
            Algorithm::Sha256 => self.sha256,
            Algorithm::Md5 => self.md5,
        }
    }
}

/// What became of credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// There are none for our realm.
    Missing,
    /// They cannot be read, or are for another request than this (RFC 7616 section 3.4.6): 400.
    Malformed,
    /// Their nonce is too old, not ours, or evicted: a new one is needed, and no other password.
    Stale,
    /// Their nonce count was used before. To be answered as `Stale`, and counted apart.
    Replayed,
    /// The password is not that of the user.
    Wrong,
    /// They are right.
    Right,
}

/// Credentials of a request for one realm; values without their quotes.
struct Credentials {
    username: Vec<u8>,
    nonce: Vec<u8>,
    uri: Vec<u8>,
    response: Vec<u8>,
    cnonce: Vec<u8>,
    nc: Vec<u8>,
    qop: Qop,
    algorithm: Option<Algorithm>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Qop {
    /// RFC 2069: no count, so such a nonce counts as used up after one request.
    None,
    Auth,
    AuthInt,
}

/// How many nonces are remembered as used, of the youngest: 8 MB. Older ones that are still valid become stale.
pub const USED_MAX: usize = 1 << 17;

/// A nonce from the future is one of a clock that was set back; this much is a matter of two machines.
const SKEW_MS: u64 = 60_000;

/// Challenges and checks of one realm.
pub struct Authenticator {
    realm: String,
    algorithms: Vec<Algorithm>,
    lifetime_ms: u64,
    mac: Hmac<Sha256>,
    /// Nonce count last used, by time of issue and serial.
    used: BTreeMap<(u64, u64), u32>,
    used_max: usize,
    /// Nonces that were issued up to here and are not in `used` may have been, and were evicted.
    evicted_ms: u64,
}

impl Authenticator {
    /// `key`: signs the nonces; keep it over restarts. `algorithms`: offered in this order. `lifetime_ms`: how
    /// long a nonce may be used.
    pub fn new(realm: &str, key: &[u8; 32], algorithms: &[Algorithm], lifetime_ms: u64) -> Self {
        let mut mac = keyed(key);
        mac.update(realm.as_bytes());
        Authenticator {
            realm: realm.to_owned(),
            algorithms: algorithms.to_vec(),
            lifetime_ms,
            mac,
            used: BTreeMap::new(),
            used_max: USED_MAX,
            evicted_ms: 0,
        }
    }

    /// Remember fewer used nonces than [`USED_MAX`].
    pub fn limit_used(&mut self, limit: usize) {
        self.used_max = limit.max(1);
    }

    /// What is protected, as the user is told.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Nonces that are remembered as used.
    pub fn used(&self) -> usize {
        self.used.len()
    }

    /// Header lines of a challenge, one header for each algorithm (RFC 8760 section 2.3). `name`:
    /// WWW-Authenticate or Proxy-Authenticate. `serial`: 64 random bits.
    pub fn challenge(&self, name: &str, unix_ms: u64, serial: u64, stale: bool) -> Vec<u8> {
        let nonce = self.nonce(unix_ms, serial);
        let mut lines = Vec::with_capacity(192 * self.algorithms.len());
        for algorithm in &self.algorithms {
            lines.extend_from_slice(name.as_bytes());
            lines.extend_from_slice(b": Digest realm=\"");
            lines.extend_from_slice(self.realm.as_bytes());
            lines.extend_from_slice(b"\", nonce=\"");
            lines.extend_from_slice(&nonce);
            lines.extend_from_slice(b"\", qop=\"auth\", algorithm=");
            lines.extend_from_slice(algorithm.name().as_bytes());
            if stale {
                lines.extend_from_slice(b", stale=true");
            }
            lines.extend_from_slice(b"\r\n");
        }
        lines
    }

    /// The user that credentials for our realm name; None where there are none that can be read.
    pub fn username(&self, request: &Message, name: Name) -> Option<Vec<u8>> {
        let credentials = self.credentials(request, name)?.ok()?;
        Some(credentials.username)
    }

    /// Check the credentials of a request. The work is the same whether the user exists or not, as long as
    /// `ha1` is something: give some for users that do not.
    pub fn check(&mut self, request: &Message, name: Name, ha1: Ha1, unix_ms: u64) -> Outcome {
        let Some(credentials) = self.credentials(request, name) else {
            return Outcome::Missing;
        };
        let Ok(credentials) = credentials else {
            return Outcome::Malformed;
        };
        let Some(algorithm) = credentials.algorithm else {
            return Outcome::Missing; // an algorithm that was not offered: offer again
        };
        if !same_target(
            &credentials.uri,
            request.index.request_uri().of(&request.bytes),
        ) {
            return Outcome::Malformed;
        }
        let count = match credentials.qop {
            Qop::None => 1,
            _ => match count(&credentials.nc) {
                Some(count) if !credentials.cnonce.is_empty() => count,
                _ => return Outcome::Malformed,
            },
        };
        let right = is_right(request, &credentials, algorithm, ha1.of(algorithm));
        let Some(issued) = self.issued(&credentials.nonce, unix_ms) else {
            return Outcome::Stale;
        };
        if !right {
            return Outcome::Wrong;
        }
        self.use_up(issued, count, unix_ms)
    }

    /// Whether a credentials value is for our realm, and so for nobody behind us (RFC 3261 section 22.3).
    pub fn is_ours(&self, value: &[u8]) -> bool {
        match read(value) {
            Some(params) => params
                .iter()
                .any(|(name, value)| is(name, b"realm") && *value == self.realm.as_bytes()),
            None => false,
        }
    }

    fn nonce(&self, unix_ms: u64, serial: u64) -> Vec<u8> {
        let mut text = Vec::with_capacity(64);
        print::hex(&mut text, unix_ms);
        print::hex(&mut text, serial);
        let signature = self.sign(&text);
        for half in 0..2 {
            let mut word = [0; 8];
            word.copy_from_slice(&signature[8 * half..8 * half + 8]);
            print::hex(&mut text, u64::from_be_bytes(word));
        }
        text
    }

    fn sign(&self, text: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(text);
        mac.finalize().into_bytes().into()
    }

    /// Time of issue and serial of a nonce that is ours and may still be used.
    fn issued(&self, nonce: &[u8], unix_ms: u64) -> Option<(u64, u64)> {
        let word = |at: usize| crate::transaction::key::read_hex(nonce.get(at..at + 16)?);
        if nonce.len() != 64 {
            return None;
        }
        let (at, serial) = (word(0)?, word(16)?);
        if !same(&self.nonce(at, serial), nonce) {
            return None;
        }
        let alive = at <= unix_ms + SKEW_MS && unix_ms < at.saturating_add(self.lifetime_ms);
        alive.then_some((at, serial))
    }

    fn use_up(&mut self, nonce: (u64, u64), count: u32, unix_ms: u64) -> Outcome {
        while let Some(oldest) = self.used.first_entry() {
            if unix_ms < oldest.key().0.saturating_add(self.lifetime_ms) {
                break;
            }
            oldest.remove(); // its time says that it is stale
        }
        match self.used.get_mut(&nonce) {
            Some(last) if count <= *last => return Outcome::Replayed,
            Some(last) => *last = count,
            None if nonce.0 <= self.evicted_ms => return Outcome::Stale,
            None => {
                self.used.insert(nonce, count);
                if self.used.len() > self.used_max {
                    if let Some(((at, _), _)) = self.used.pop_first() {
                        self.evicted_ms = at;
                    }
                }
            }
        }
        Outcome::Right
    }

    /// The first credentials for our realm, those with an algorithm of ours before others.
    fn credentials(&self, request: &Message, name: Name) -> Option<Result<Credentials, ()>> {
        let mut found = None;
        for field in request.index.all(name) {
            let Some(params) = read(field.value.of(&request.bytes)) else {
                continue;
            };
            let ours = params
                .iter()
                .any(|(name, value)| is(name, b"realm") && *value == self.realm.as_bytes());
            if !ours {
                continue;
            }
            let credentials = collect(params, &self.algorithms);
            let usable = credentials
                .as_ref()
                .is_ok_and(|credentials| credentials.algorithm.is_some());
            if usable {
                return Some(credentials);
            }
            found.get_or_insert(credentials);
        }
        found
    }
}

// HMAC takes keys of any length.
#[allow(clippy::expect_used)]
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length")
}

/// The parameters of a Digest value, unquoted; None where it is of another scheme or cannot be read.
fn read(value: &[u8]) -> Option<Vec<(&[u8], Vec<u8>)>> {
    let scheme = value.get(..6)?;
    if !scheme.eq_ignore_ascii_case(b"Digest") || !value.get(6)?.is_ascii_whitespace() {
        return None;
    }
    let mut params = Vec::new();
    for element in crate::header::elements(value.get(7..)?) {
        if element.is_empty() {
            continue; // "a=1,,b=2" is a list with an empty element (RFC 9110 section 5.6.1)
        }
        let mut one = Params::new(element, Span::new(0, element.len()));
        let (Some(Ok(param)), None) = (one.next(), one.next()) else {
            return None;
        };
        params.push((param.name.of(element), unquoted(param.value?.of(element))));
    }
    Some(params)
}

fn unquoted(value: &[u8]) -> Vec<u8> {
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let Some(inner) = inner else {
        return value.to_vec();
    };
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => plain.extend(bytes.next()),
            _ => plain.push(byte),
        }
    }
    plain
}

fn is(name: &[u8], wanted: &[u8]) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

/// A parameter twice, or one that is missing, is an error: two readers could take two users from it.
fn collect(params: Vec<(&[u8], Vec<u8>)>, offered: &[Algorithm]) -> Result<Credentials, ()> {
    let take = |wanted: &[u8]| -> Result<Option<Vec<u8>>, ()> {
        let mut all = params.iter().filter(|(name, _)| is(name, wanted));
        match (all.next(), all.next()) {
            (found, None) => Ok(found.map(|(_, value)| value.clone())),
            _ => Err(()),
        }
    };
    take(b"realm")?;
    let qop = match take(b"qop")?.as_deref() {
        None => Qop::None,
        Some(qop) if is(qop, b"auth") => Qop::Auth,
        Some(qop) if is(qop, b"auth-int") => Qop::AuthInt,
        Some(_) => return Err(()),
    };
    let algorithm = match take(b"algorithm")?.as_deref() {
        None => Some(Algorithm::Md5), // RFC 7616 section 3.4
        Some(name) => Algorithm::from_name(name),
    };
    Ok(Credentials {
        username: take(b"username")?.ok_or(())?,
        nonce: take(b"nonce")?.ok_or(())?,
        uri: take(b"uri")?.ok_or(())?,
        response: take(b"response")?.ok_or(())?.to_ascii_lowercase(),
        cnonce: take(b"cnonce")?.unwrap_or_default(),
        nc: take(b"nc")?.unwrap_or_default(),
        qop,
        algorithm: algorithm.filter(|algorithm| offered.contains(algorithm)),
    })
}

/// 8 hexadecimal digits, from 1 on (RFC 7616 section 3.4); fewer are put up with.
fn count(text: &[u8]) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= 8 && text.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    u32::from_str_radix(text, 16)
        .ok()
        .filter(|count| *count > 0)
}

/// RFC 7616 section 3.4.1.
fn is_right(request: &Message, said: &Credentials, algorithm: Algorithm, ha1: &[u8]) -> bool {
    let method = request.index.method_name().of(&request.bytes);
    let ha2 = match said.qop {
        Qop::AuthInt => {
            let body = algorithm.hash(&[request.index.body.of(&request.bytes)]);
            algorithm.hash(&[method, &said.uri, &body])
        }
        _ => algorithm.hash(&[method, &said.uri]),
    };
    let expected = match said.qop {
        Qop::None => algorithm.hash(&[ha1, &said.nonce, &ha2]),
        qop => {
            let qop: &[u8] = if qop == Qop::Auth {
                b"auth"
            } else {
                b"auth-int"
            };
            algorithm.hash(&[ha1, &said.nonce, &said.nc, &said.cnonce, qop, &ha2])
        }
    };
    same(&expected, &said.response)
}

/// Compared in a time that says nothing of where they differ.
fn same(left: &[u8], right: &[u8]) -> bool {
    let differs = left
        .iter()
        .zip(right)
        .fold(0, |differs, (left, right)| differs | (left ^ right));
    left.len() == right.len() && std::hint::black_box(differs) == 0
}

/// Whether the `uri` of credentials names what the request URI does: scheme, user, host and port. Parameters may
/// have been changed on the way (RFC 3261 section 22.4, RFC 7616 section 3.4.6).
fn same_target(said: &[u8], request_uri: &[u8]) -> bool {
    if said == request_uri {
        return true;
    }
    match (uri::parse(said), uri::parse(request_uri)) {
        (Ok(said), Ok(is)) => {
            said.scheme == is.scheme
                && said.user == is.user
                && said.port.unwrap_or(5060) == is.port.unwrap_or(5060)
                && said.host.eq_ignore_ascii_case(is.host)
        }
        _ => false,
    }
}
