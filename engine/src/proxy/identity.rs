//! Who calls, as a gateway is told: From, P-Asserted-Identity (RFC 3325), Remote-Party-ID.

use crate::header::{self, NameAddr};
use crate::message::{Index, Name};
use crate::print;
use crate::uri::{self, Scheme};

/// What a gateway is told of the caller, where that is not what the caller's header fields say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// User part of From; empty: nobody, the caller is anonymous. None: as it came.
    pub user: Option<String>,
    /// The display name in front of it may stay.
    pub keeps_name: bool,
    /// User part that we assert, in place of what the caller's side asserts; empty: nobody is asserted. None: what a
    /// trusted caller asserts goes along.
    pub asserted: Option<String>,
    /// By Remote-Party-ID, for gateways from before RFC 3325.
    pub by_remote_party: bool,
}

/// From of somebody who is not to be told (RFC 3323 4.1.1.3).
pub const ANONYMOUS: &[u8] = b"\"Anonymous\" <sip:anonymous@anonymous.invalid>";

/// The address of From with another user part, or another host: up to its parameters. None: as it came, because
/// it names no number of ours to change.
pub fn from_address(
    bytes: &[u8],
    index: &Index,
    caller: Option<&Caller>,
    host: Option<&str>,
) -> Option<Vec<u8>> {
    let user = caller.and_then(|caller| caller.user.as_deref());
    if user.is_some_and(str::is_empty) {
        return Some(ANONYMOUS.to_vec());
    }
    if user.is_none() && host.is_none() {
        return None;
    }
    let from = &index.from;
    let uri = uri::parse(from.uri.of(bytes)).ok();
    let own = uri
        .as_ref()
        .filter(|uri| matches!(uri.scheme, Scheme::Sip | Scheme::Sips) && host.is_none());
    let mut address = Vec::with_capacity(64);
    if caller.is_none_or(|caller| caller.keeps_name || caller.user.is_none())
        && !from.display.is_empty()
    {
        address.extend_from_slice(from.display.of(bytes));
        address.push(b' ');
    }
    address.extend_from_slice(b"<sip:");
    let said = uri.as_ref().and_then(|uri| uri.user);
    if let Some(user) = user.map(str::as_bytes).or(said) {
        address.extend_from_slice(user);
        address.push(b'@');
    }
    match own {
        Some(uri) => {
            address.extend_from_slice(uri.host);
            if let Some(port) = uri.port {
                address.push(b':');
                print::decimal(&mut address, u64::from(port));
            }
        }
        None => address.extend_from_slice(host.unwrap_or("anonymous.invalid").as_bytes()),
    }
    if user.is_some() && uri.is_some_and(|uri| uri.param(b"user").is_some()) {
        address.extend_from_slice(b";user=phone");
    }
    address.push(b'>');
    Some(address)
}

/// An address of From without the word of another network that it has verified the number (`verstat`, 3GPP TS 24.229
/// 7.2A.20), which a phone may show as a mark of trust. None: it has none.
pub fn unverified(address: &[u8]) -> Option<Vec<u8>> {
    let mut rest = address;
    let mut clean = Vec::new();
    while let Some(at) = rest
        .windows(VERSTAT.len())
        .position(|text| text.eq_ignore_ascii_case(VERSTAT))
    {
        let (before, param) = rest.split_at_checked(at)?;
        clean.extend_from_slice(before);
        let value = param.get(VERSTAT.len()..).unwrap_or_default();
        let ends = value
            .iter()
            .position(|byte| matches!(byte, b';' | b'@' | b'>' | b'?' | b',' | b'"'));
        rest = ends.and_then(|at| value.get(at..)).unwrap_or_default();
    }
    if clean.is_empty() {
        return None;
    }
    clean.extend_from_slice(rest);
    Some(clean)
}

const VERSTAT: &[u8] = b";verstat";

/// Print the header line by which we assert a caller. `hidden`: it asks not to be told to others.
pub fn assert(out: &mut Vec<u8>, caller: &Caller, host: &str, hidden: bool) {
    let Some(user) = caller.asserted.as_deref().filter(|user| !user.is_empty()) else {
        return;
    };
    let label: &[u8] = if caller.by_remote_party {
        b"Remote-Party-ID: <sip:"
    } else {
        b"P-Asserted-Identity: <sip:"
    };
    for part in [
        label,
        user.as_bytes(),
        b"@",
        host.as_bytes(),
        b";user=phone>",
    ] {
        out.extend_from_slice(part);
    }
    if caller.by_remote_party {
        out.extend_from_slice(b";party=calling;screen=yes");
        out.extend_from_slice(if hidden {
            b";privacy=full"
        } else {
            b";privacy=off"
        });
    }
    out.extend_from_slice(b"\r\n");
}

/// P-Asserted-Identity of a trusted caller as RFC 3325 9.1 allows it: one sip or sips URI and one tel URI, the first
/// of each. None where that is what it says already; else whole header lines, which may be none at all.
pub fn sound_assertions(bytes: &[u8], index: &Index) -> Option<Vec<u8>> {
    let mut seen = [false; 2];
    let mut sound = true;
    let mut lines = Vec::new();
    for element in index
        .all(Name::PAssertedIdentity)
        .flat_map(|field| header::element_spans(bytes, field.value))
    {
        let kind = NameAddr::parse(bytes, element)
            .ok()
            .and_then(|address| uri::parse(address.uri.of(bytes)).ok())
            .and_then(|uri| match uri.scheme {
                Scheme::Sip | Scheme::Sips => Some(0),
                Scheme::Tel => Some(1),
                Scheme::Other => None,
            });
        match kind.and_then(|kind| seen.get_mut(kind)) {
            Some(seen) if !*seen => {
                *seen = true;
                print::header(&mut lines, b"P-Asserted-Identity", element.of(bytes));
            }
            _ => sound = false,
        }
    }
    (!sound).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn read(from: &str, lines: &str) -> (Vec<u8>, Index) {
        let text = format!(
            "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: {from}\r\nTo: <sip:b@h>\r\n\
             Call-ID: c\r\nCSeq: 1 INVITE\r\n{lines}\r\n"
        );
        let mut index = Index::new();
        assert_eq!(
            parse::datagram(text.as_bytes(), &mut index),
            parse::Kind::Request
        );
        assert_eq!(index.fault, None, "{text}");
        (text.into_bytes(), index)
    }

    fn caller(user: &str, keeps_name: bool) -> Caller {
        Caller {
            user: Some(user.to_owned()),
            keeps_name,
            ..Caller::default()
        }
    }

    #[test]
    fn i04_from_names_the_number_that_was_judged() {
        for (from, told, host, expected) in [
            (
                "\"A\" <sip:020@pbx:5070;user=phone;x=1>;tag=1",
                Some(caller("+4420", true)),
                None,
                Some("\"A\" <sip:+4420@pbx:5070;user=phone>"),
            ),
            (
                "A B <sip:020@pbx>;tag=1",
                Some(caller("+4420", false)),
                None,
                Some("<sip:+4420@pbx>"),
            ),
            (
                "<tel:+4420>;tag=1",
                Some(caller("+4420", true)),
                Some("sg:5060"),
                Some("<sip:+4420@sg:5060>"),
            ),
            (
                "\"+53\" <sip:a@pbx>;tag=1",
                Some(caller("", true)),
                Some("sg"),
                Some("\"Anonymous\" <sip:anonymous@anonymous.invalid>"),
            ),
            (
                "sip:a@pbx;tag=1",
                None,
                Some("sg:5060"),
                Some("<sip:a@sg:5060>"),
            ),
            ("<sip:pbx>;tag=1", None, Some("sg"), Some("<sip:sg>")),
            ("<sip:a@pbx>;tag=1", None, None, None),
        ] {
            let (bytes, index) = read(from, "");
            let address = from_address(&bytes, &index, told.as_ref(), host);
            let address = address.map(|address| String::from_utf8_lossy(&address).into_owned());
            assert_eq!(address.as_deref(), expected, "{from}");
        }
    }

    #[test]
    fn i04_nobody_says_of_itself_that_it_was_verified() {
        for (from, expected) in [
            (
                "\"A\" <sip:+1;VerStat=TN-Validation-Passed@h;user=phone>",
                Some("\"A\" <sip:+1@h;user=phone>"),
            ),
            (
                "<tel:+1;verstat=x;isub=2;verstat=y>",
                Some("<tel:+1;isub=2>"),
            ),
            ("<sip:+1@h;verstat>", Some("<sip:+1@h>")),
            ("sip:+1@h", None),
            ("<sip:verstat@h;x=verstat>", None),
        ] {
            let address = unverified(from.as_bytes());
            let address = address.map(|address| String::from_utf8_lossy(&address).into_owned());
            assert_eq!(address.as_deref(), expected, "{from}");
        }
    }

    #[test]
    fn b04_no_more_than_one_sip_and_one_tel_uri_is_asserted() {
        let pai = "P-Asserted-Identity";
        for (lines, expected) in [
            (String::new(), None),
            (format!("{pai}: <sip:1@h>, <tel:+2>\r\n"), None),
            (
                format!("{pai}: tel:+2\r\n{pai}: \"B\" <sips:1@h>\r\n"),
                None,
            ),
            (
                format!("{pai}: <sip:1@h>\r\n{pai}: <sip:2@h>, <tel:+3>\r\n"),
                Some(format!("{pai}: <sip:1@h>\r\n{pai}: <tel:+3>\r\n")),
            ),
            (
                format!("{pai} : <tel:+1>, <tel:+2>, <sip:3@h>\r\n"),
                Some(format!("{pai}: <tel:+1>\r\n{pai}: <sip:3@h>\r\n")),
            ),
            (format!("{pai}: <http://x>\r\n"), Some(String::new())),
            (format!("{pai}: \"open <sip:1@h>\r\n"), Some(String::new())),
            (
                format!("{pai}: <<>>,,<sip:1@h>\r\n"),
                Some(format!("{pai}: <sip:1@h>\r\n")),
            ),
        ] {
            let (bytes, index) = read("<sip:a@h>;tag=1", &lines);
            let found = sound_assertions(&bytes, &index)
                .map(|lines| String::from_utf8_lossy(&lines).into_owned());
            assert_eq!(found, expected, "{lines}");
        }
    }

    #[test]
    fn i04_an_assertion_of_ours() {
        for (by_remote_party, hidden, expected) in [
            (
                false,
                false,
                "P-Asserted-Identity: <sip:+44@sg;user=phone>\r\n",
            ),
            (
                true,
                true,
                "Remote-Party-ID: <sip:+44@sg;user=phone>;party=calling;screen=yes;privacy=full\r\n",
            ),
        ] {
            let mut out = Vec::new();
            let caller = Caller {
                asserted: Some("+44".to_owned()),
                by_remote_party,
                ..Caller::default()
            };
            assert(&mut out, &caller, "sg", hidden);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
