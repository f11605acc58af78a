//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966).
//!
//! Strict where two readers could disagree about user or host: one `@` at most, no empty parts, no host that
//! looks like an address and is none, no known parameter twice.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::header::chars::{self, URI_PARAM, USER};
use crate::transport::Transport;

/// Scheme of a URI, in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// `tel`
    Tel,
    /// Any other. Nothing but the scheme is looked at.
    Other,
}

/// What is wrong with a URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UriError {
    /// No scheme in front.
    Scheme,
    /// A byte that may stand nowhere in a URI.
    Byte,
    /// A `%` without two hexadecimal digits.
    Escape,
    /// User, password or number.
    User,
    /// Host name or IP address.
    Host,
    /// Port, 1 to 65535.
    Port,
    /// An empty parameter, a wrong byte in one, or a known one twice.
    Parameter,
    /// Header part with a wrong byte.
    Headers,
}

/// The parts of a URI as they are written; escapes are left in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uri<'a> {
    /// Which kind it is.
    pub scheme: Scheme,
    /// User part without the password; of a tel URI, the number. `;` parameters in it stay in it.
    pub user: Option<&'a [u8]>,
    /// Password.
    pub password: Option<&'a [u8]>,
    /// Host, IPv6 with its brackets; empty unless sip or sips.
    pub host: &'a [u8],
    /// Port, never 0.
    pub port: Option<u16>,
    /// Behind the first `;` and before `?`.
    pub params: &'a [u8],
    /// Behind `?`.
    pub headers: &'a [u8],
}

impl Uri<'_> {
    /// What the URI says of the transport: by its parameter, or because `sips` is TLS (26.2.2). None: nothing.
    pub fn transport(&self) -> Option<Transport> {
        if self.scheme == Scheme::Sips {
            return Some(Transport::Tls);
        }
        self.param(b"transport")
            .flatten()
            .and_then(Transport::from_param)
    }

    /// The port, or the default one of its transport (19.1.2).
    pub fn port_or_default(&self) -> u16 {
        self.port
            .unwrap_or_else(|| self.transport().unwrap_or_default().default_port())
    }
}

/// Parameters that routing acts upon; none may stand twice.
const KNOWN: [&[u8]; 6] = [b"user", b"ttl", b"method", b"maddr", b"transport", b"lr"];

/// Those of them that two equivalent URIs either both have or both lack.
const MUST_AGREE: &[&[u8]] = &[b"user", b"ttl", b"method", b"maddr", b"transport"];

/// Reads a URI.
pub fn parse(text: &[u8]) -> Result<Uri<'_>, UriError> {
    let (scheme, rest) = scheme(text).ok_or(UriError::Scheme)?;
    let mut uri = Uri {
        scheme,
        user: None,
        password: None,
        host: b"",
        port: None,
        params: b"",
        headers: b"",
    };
    match scheme {
        Scheme::Sip | Scheme::Sips => parse_sip(rest, &mut uri)?,
        Scheme::Tel => parse_tel(rest, &mut uri)?,
        Scheme::Other
            if rest
                .iter()
                .all(|&byte| chars::is(byte, chars::ADDRESS) && byte.is_ascii()) => {}
        Scheme::Other => return Err(UriError::Byte),
    }
    Ok(uri)
}

fn parse_sip<'a>(rest: &'a [u8], uri: &mut Uri<'a>) -> Result<(), UriError> {
    let mut behind = rest;
    // User parts may hold `;`, `?` and `/` (section 25.1), everything behind the user no `@`: the first decides.
    if let Some(at) = memchr::memchr(b'@', rest) {
        let (userinfo, host) = (&rest[..at], &rest[at + 1..]);
        if memchr::memchr(b'@', host).is_some() {
            return Err(UriError::User);
        }
        let (user, password) = match split(userinfo, b':') {
            (user, Some(password)) => (user, Some(password)),
            (user, None) => (user, None),
        };
        if user.is_empty() {
            return Err(UriError::User);
        }
        for part in [user, password.unwrap_or_default()] {
            if !chars::all(part, USER) {
                return Err(UriError::User);
            }
            check_escapes(part)?;
        }
        (uri.user, uri.password, behind) = (Some(user), password, host);
    }
    let (address, headers) = split(behind, b'?');
    let (hostport, params) = split(address, b';');
    let host_end = match hostport.first() {
        Some(b'[') => memchr::memchr(b']', hostport).ok_or(UriError::Host)? + 1,
        _ => memchr::memchr(b':', hostport).unwrap_or(hostport.len()),
    };
    uri.host = &hostport[..host_end];
    if !is_host(uri.host) {
        return Err(UriError::Host);
    }
    match &hostport[host_end..] {
        [] => {}
        [b':', digits @ ..] => uri.port = Some(port(digits).ok_or(UriError::Port)?),
        _ => return Err(UriError::Host),
    }
    if let Some(params) = params {
        check_params(params)?;
        uri.params = params;
    }
    if let Some(headers) = headers {
        if headers.is_empty()
            || !headers
                .iter()
                .all(|&byte| chars::is(byte, URI_PARAM) || matches!(byte, b'?' | b'&' | b';'))
        {
            return Err(UriError::Headers);
        }
        check_escapes(headers)?;
        uri.headers = headers;
    }
    Ok(())
}

fn parse_tel<'a>(rest: &'a [u8], uri: &mut Uri<'a>) -> Result<(), UriError> {
    let (number, params) = split(rest, b';');
    let digits = number.strip_prefix(b"+").unwrap_or(number);
    let is_dialable = |byte: &u8| {
        byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#' | b'-' | b'.' | b'(' | b')')
    };
    if !digits
        .iter()
        .any(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#'))
        || !digits.iter().all(is_dialable)
    {
        return Err(UriError::User);
    }
    uri.user = Some(number);
    if let Some(params) = params {
        check_params(params)?;
        uri.params = params;
    }
    Ok(())
}

/// `before`, and what stands behind the first `byte` if there is one.
fn split(text: &[u8], byte: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(byte, text) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn check_escapes(text: &[u8]) -> Result<(), UriError> {
    for at in memchr::memchr_iter(b'%', text) {
        match text.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return Err(UriError::Escape),
        }
    }
    Ok(())
}

fn check_params(params: &[u8]) -> Result<(), UriError> {
    let mut seen = 0u8;
    for (name, value) in pairs(params) {
        if name.is_empty() || value.is_some_and(<[u8]>::is_empty) {
            return Err(UriError::Parameter);
        }
        if !chars::all(name, URI_PARAM) || !chars::all(value.unwrap_or_default(), URI_PARAM) {
            return Err(UriError::Parameter);
        }
        if let Some(known) = KNOWN.iter().position(|known| same(name, known, true)) {
            if seen & 1 << known != 0 {
                return Err(UriError::Parameter);
            }
            seen |= 1 << known;
        }
    }
    check_escapes(params)
}

/// `name[=value]`, separated by `;`.
fn pairs(params: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    params
        .split(|&byte| byte == b';')
        .map(|pair| split(pair, b'='))
}

/// Scheme, and the text behind its colon; None where there is no scheme.
pub(crate) fn scheme(text: &[u8]) -> Option<(Scheme, &[u8])> {
    let colon = text
        .iter()
        .position(|&byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')))?;
    let (name, rest) = (&text[..colon], text.get(colon..)?.strip_prefix(b":")?);
    if !name.first()?.is_ascii_alphabetic() || rest.is_empty() {
        return None;
    }
    let scheme = match name.len() {
        3 if name.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        4 if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        3 if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        _ => Scheme::Other,
    };
    Some((scheme, rest))
}

/// A port in decimal, 1 to 65535.
pub(crate) fn port(digits: &[u8]) -> Option<u16> {
    let port = chars::decimal(digits)?;
    u16::try_from(port).ok().filter(|&port| port != 0)
}

/// Whether the text is a host name, an IPv4 address or an IPv6 reference.
///
/// A name that ends in a number must be a dotted quad: `127.1`, `0x7f.1` and `2130706433` are addresses to a
/// resolver that reads the old forms, and would be names to us. (The RFC's `toplabel` forbids every digit at the
/// start of the last label; names such as `5c2f1a9d8b`, given by containers, are let through.)
pub(crate) fn is_host(host: &[u8]) -> bool {
    if let [b'[', inner @ .., b']'] = host {
        return ip_of(inner).is_some_and(|ip| ip.is_ipv6());
    }
    if host.is_empty() || host.len() > 253 || !chars::all(host, chars::HOST) {
        return false;
    }
    let name = host.strip_suffix(b".").unwrap_or(host);
    let last = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    if is_number(last) {
        return ip_of(host).is_some();
    }
    name.split(|&byte| byte == b'.')
        .all(|label| !label.is_empty() && !label.starts_with(b"-"))
}

fn is_number(label: &[u8]) -> bool {
    let digits = match label {
        [b'0', b'x' | b'X', digits @ ..] => return digits.iter().all(u8::is_ascii_hexdigit),
        digits => digits,
    };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn ip_of(text: &[u8]) -> Option<IpAddr> {
    if memchr::memchr(b':', text).is_none() {
        return ipv4(text).map(IpAddr::V4);
    }
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// Four decimal numbers without leading zeros. By hand, because nearly every message has several.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut rest = text;
    for (at, octet) in octets.iter_mut().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let digits = rest
            .iter()
            .take(4)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if !(1..=3).contains(&digits) || digits > 1 && rest[0] == b'0' {
            return None;
        }
        *octet = u8::try_from(chars::decimal(&rest[..digits])?).ok()?;
        rest = &rest[digits..];
    }
    rest.is_empty().then(|| Ipv4Addr::from(octets))
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// Characters of a part, each with whether it was escaped. A broken escape is given as it stands.
fn unescaped(text: &[u8]) -> impl Iterator<Item = (u8, bool)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *text.get(at)?;
        at += 1;
        if byte == b'%' {
            if let (Some(high), Some(low)) = (
                text.get(at).copied().and_then(hex),
                text.get(at + 1).copied().and_then(hex),
            ) {
                at += 2;
                return Some((high << 4 | low, true));
            }
        }
        Some((byte, false))
    })
}

/// Equality of section 19.1.4: an escaped character equals itself, unless it is reserved.
fn same(a: &[u8], b: &[u8], ignore_case: bool) -> bool {
    let key = |(byte, escaped): (u8, bool)| {
        let folded = if ignore_case {
            byte.to_ascii_lowercase()
        } else {
            byte
        };
        (
            folded,
            escaped
                && matches!(
                    byte,
                    b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b','
                ),
        )
    };
    unescaped(a).map(key).eq(unescaped(b).map(key))
}

/// Replaces every escape by its character, once (section 19.1.2), and appends the result to `out`.
pub fn unescape(text: &[u8], out: &mut Vec<u8>) -> Result<(), UriError> {
    check_escapes(text)?;
    out.extend(unescaped(text).map(|(byte, _)| byte));
    Ok(())
}

impl<'a> Uri<'a> {
    /// The parameter of that name in any case, escapes in its name resolved: None where it is not there,
    /// `Some(None)` where it has no value. The value is as written.
    pub fn param(&self, name: &[u8]) -> Option<Option<&'a [u8]>> {
        pairs(self.params)
            .find(|(found, _)| same(found, name, true))
            .map(|(_, value)| value)
    }

    /// What spells the number to call: the user part, and of a tel URI its parameters too, for a local number
    /// is none without its context (RFC 3966 section 5.1.5), and RFC 3261 19.1.6 keeps them in the user part.
    pub fn number(&self) -> Vec<u8> {
        let mut number = self.user.unwrap_or_default().to_vec();
        if self.scheme == Scheme::Tel && !self.params.is_empty() {
            number.push(b';');
            number.extend_from_slice(self.params);
        }
        number
    }

    /// Whether it has the `lr` parameter (section 16.12.1.1).
    pub fn is_loose_router(&self) -> bool {
        self.param(b"lr").is_some()
    }

    /// The host, where it is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.host {
            [b'[', inner @ .., b']'] => ip_of(inner),
            host => ip_of(host),
        }
    }

    /// Whether both name the same resource by the rules of section 19.1.4. A URI with more than
    /// `MAX_COMPARED` parameters or headers, or of another scheme than sip, sips and tel, equals none.
    pub fn is_equivalent(&self, other: &Uri<'_>) -> bool {
        self.scheme == other.scheme
            && self.scheme != Scheme::Other
            && same_user(self.scheme, self.user, other.user)
            && same_part(self.password, other.password)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
            && params_agree(self, other)
            && params_agree(other, self)
            && headers_agree(self.headers, other.headers)
            && headers_agree(other.headers, self.headers)
    }
}

/// The most parameters, and headers, that a comparison looks at, because it takes their square in time.
const MAX_COMPARED: usize = 32;

fn same_user(scheme: Scheme, a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    if scheme != Scheme::Tel {
        return same_part(a, b);
    }
    // RFC 3966 section 4: visual separators do not count.
    let digits = |number: &[u8]| {
        let kept = |byte: &u8| !matches!(byte, b'-' | b'.' | b'(' | b')');
        number
            .to_ascii_lowercase()
            .into_iter()
            .filter(kept)
            .collect::<Vec<_>>()
    };
    digits(a.unwrap_or_default()) == digits(b.unwrap_or_default())
}

fn same_part(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b, false),
        (a, b) => a == b,
    }
}

/// Whether every parameter of `a` that must be, or is, in `b` has the same value there.
fn params_agree(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    if a.params.is_empty() {
        return true;
    }
    pairs(a.params).count() <= MAX_COMPARED
        && pairs(a.params).all(|(name, value)| {
            let mut found = pairs(b.params).filter(|(other, _)| same(name, other, true));
            match found.next() {
                // One name twice is against section 19.1.1; a URI that has it still equals itself.
                Some((_, first)) => {
                    same_value(value, first) || found.any(|(_, other)| same_value(value, other))
                }
                // The others are ignored where one side lacks them; not so in a tel URI (RFC 3966 section 4).
                None => {
                    a.scheme != Scheme::Tel
                        && !MUST_AGREE.iter().any(|known| same(name, known, true))
                }
            }
        })
}

fn same_value(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b, true),
        (a, b) => a == b,
    }
}

/// Headers are never ignored; their order is.
fn headers_agree(a: &[u8], b: &[u8]) -> bool {
    let fields = |headers: &'_ [u8]| headers.split(|&byte| byte == b'&').count();
    fields(a) == fields(b)
        && fields(a) <= MAX_COMPARED
        && a.split(|&byte| byte == b'&').all(|field| {
            let (name, value) = split(field, b'=');
            b.split(|&byte| byte == b'&').any(|other| {
                let (other_name, other_value) = split(other, b'=');
                same(name, other_name, true) && same_part(value, other_value)
            })
        })
}
