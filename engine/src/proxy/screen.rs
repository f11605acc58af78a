//! What of a sender's header fields reaches the other end. A request that was judged by its request URI must hold
//! nothing else that a gateway could dial, charge or act upon: the judged number is the only number in it
//! ("judged = sent"), and the address that it came from the only identity (RFC 3325 section 5, checklist F-15).
//!
//! Names are matched as the parser read them: any case, compact forms, blanks before the colon, repeated.

use crate::dialog::Trust;
use crate::message::{Field, Index, Method, Name};
use crate::print;
use crate::uri::{self, Scheme};

/// How much of a sender is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Nobody has judged the call: all passes.
    Open,
    /// Somebody within the trust domain: what it says of identities passes.
    Trusted,
    /// Such a caller, where we say who calls: what it says of diversions passes.
    Asserted,
    /// Anybody else.
    Untrusted,
    /// Somebody whom the other end is not to be told of (RFC 3323).
    Private,
}

impl Screen {
    /// For what one end sends to the other.
    pub fn between(sender: Trust, hearer: Trust) -> Screen {
        match sender {
            Trust { open: true, .. } => Screen::Open,
            Trust { private: true, .. } if !hearer.trusted => Screen::Private,
            Trust { trusted: false, .. } => Screen::Untrusted,
            Trust { asserted: true, .. } => Screen::Asserted,
            Trust { .. } => Screen::Trusted,
        }
    }

    /// Whether this field of a `method` request, or of its answer, stays behind.
    pub fn drops(self, method: Method, field: &Field, bytes: &[u8]) -> bool {
        match self {
            Screen::Open => false,
            Screen::Trusted => reaches_further(method, field.name),
            Screen::Asserted => reaches_further(method, field.name) || asserts_caller(field.name),
            Screen::Untrusted => {
                reaches_further(method, field.name)
                    || tells_identity(field.name, field.label.of(bytes))
            }
            Screen::Private => {
                let label = field.label.of(bytes);
                reaches_further(method, field.name)
                    || tells_identity(field.name, label)
                    || tells_caller(field.name, label)
            }
        }
    }
}

/// Fields that name another call, or a number to call, beside the request URI. Nobody has judged either; a
/// gateway without the extension ignores them (RFC 3891 section 3, RFC 3911, RFC 4538), so without them the
/// request is an ordinary call. A REFER that was let through (`Target::takes_refer`) keeps what it is for.
fn reaches_further(method: Method, name: Name) -> bool {
    match name {
        Name::Replaces | Name::Join | Name::TargetDialog => true,
        Name::ReferTo => method != Method::Refer,
        _ => false,
    }
}

/// Fields that say who calls, each in its own way.
fn asserts_caller(name: Name) -> bool {
    matches!(
        name,
        Name::PAssertedIdentity | Name::PPreferredIdentity | Name::RemotePartyId
    )
}

/// Fields beside those by which an end could be told that wants to be hidden: those that RFC 3323 5.3
/// names, and Identity, whose passport holds the number (RFC 8225).
fn tells_caller(name: Name, label: &[u8]) -> bool {
    match name {
        Name::Identity
        | Name::IdentityInfo
        | Name::Subject
        | Name::UserAgent
        | Name::Server
        | Name::ReferredBy => true,
        Name::Other => [
            &b"Call-Info"[..],
            b"Organization",
            b"Reply-To",
            b"In-Reply-To",
            b"Warning",
        ]
        .iter()
        .any(|one| label.eq_ignore_ascii_case(one)),
        _ => false,
    }
}

/// Fields by which networks that trust each other tell who calls, who pays and who was called before.
///
/// All of P-: such fields are made for one network's own use (RFC 3427 section 4.1). Privacy is none of them:
/// it asks that less be told, and a gateway has to hear of it (RFC 3323). Neither is Identity, which proves itself.
fn tells_identity(name: Name, label: &[u8]) -> bool {
    let starts = |prefix: &[u8]| {
        label
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    match name {
        Name::PAssertedIdentity
        | Name::PPreferredIdentity
        | Name::RemotePartyId
        | Name::Diversion
        | Name::HistoryInfo => true,
        Name::Other => {
            starts(b"P-")
                || starts(b"X-Account")
                || [
                    &b"CC-Diversion"[..],
                    b"RPID-Privacy",
                    // 3GPP TS 24.229 7.2: who calls beside, and that a network has verified it.
                    b"Additional-Identity",
                    b"Attestation-Info",
                    b"Origination-Id",
                ]
                .iter()
                .any(|one| label.eq_ignore_ascii_case(one))
        }
        _ => false,
    }
}

/// The address of To as a gateway may see it, where that is not as it came: no password, no parameters of the number
/// (post-dial digits, another routing number), no headers. Its number stays as dialled; section 16.6 leaves To
/// alone, and a gateway that dials by it is marked (`Target::dials_by_to`).
pub fn to_address(bytes: &[u8], index: &Index) -> Option<Vec<u8>> {
    let to = &index.to;
    let uri = uri::parse(to.uri.of(bytes)).ok()?;
    let user = uri.user.unwrap_or_default();
    let number = plain_user(user);
    let mut clean = Vec::new();
    match uri.scheme {
        Scheme::Sip | Scheme::Sips => {
            let same = number.len() == user.len();
            if same && uri.password.is_none() && uri.headers.is_empty() {
                return None;
            }
            clean.extend_from_slice(if uri.scheme == Scheme::Sip {
                b"sip:"
            } else {
                b"sips:"
            });
            if !number.is_empty() {
                clean.extend_from_slice(number);
                clean.push(b'@');
            }
            clean.extend_from_slice(uri.host);
            if let Some(port) = uri.port {
                clean.push(b':');
                print::decimal(&mut clean, u64::from(port));
            }
            if !uri.params.is_empty() {
                clean.push(b';');
                clean.extend_from_slice(uri.params);
            }
        }
        Scheme::Tel if !uri.params.is_empty() => {
            clean.extend_from_slice(b"tel:");
            clean.extend_from_slice(user);
            // A local number is none without its context (RFC 3966 section 5.1.5).
            if let Some(Some(context)) = uri.param(b"phone-context") {
                clean.extend_from_slice(b";phone-context=");
                clean.extend_from_slice(context);
            }
        }
        Scheme::Tel | Scheme::Other => return None,
    }
    Some(wrapped(&clean))
}

/// An address around a URI.
pub fn wrapped(uri: &[u8]) -> Vec<u8> {
    let mut value = vec![b'<'];
    value.extend_from_slice(uri);
    value.push(b'>');
    value
}

/// The user part up to its first parameter, a `;` that may be written as an escape.
fn plain_user(user: &[u8]) -> &[u8] {
    let cut = (0..user.len()).find(|&at| {
        let rest = user.get(at..).unwrap_or_default();
        rest.starts_with(b";")
            || rest
                .get(..3)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"%3b"))
    });
    user.get(..cut.unwrap_or(user.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Span;
    use crate::parse;

    fn read(extra: &str, to: &str) -> (Vec<u8>, Index) {
        let text = format!(
            "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: {to}\r\n\
             Call-ID: c\r\nCSeq: 1 INVITE\r\n{extra}\r\n\r\n"
        );
        let mut index = Index::new();
        assert_eq!(
            parse::datagram(text.as_bytes(), &mut index),
            parse::Kind::Request
        );
        assert_eq!(index.fault, None, "{text}");
        (text.into_bytes(), index)
    }

    fn dropped(screen: Screen, method: Method, line: &str) -> bool {
        let (bytes, index) = read(line, "<sip:b@h>");
        let field = index.fields.last().copied().expect("a field");
        screen.drops(method, &field, &bytes)
    }

    #[test]
    fn b04_b08_b11_identities_of_strangers_stay_behind_in_any_spelling() {
        for line in [
            "P-Asserted-Identity: <sip:1@h>",
            "p-asserted-identity \t: <sip:1@h>",
            "P-PREFERRED-IDENTITY: <sip:1@h>",
            "Remote-Party-ID : <sip:1@h>",
            "Diversion:<sip:1@h>",
            "CC-Diversion: <sip:1@h>",
            "History-Info: <sip:1@h>;index=1",
            "P-Charge-Info: <sip:1@h>",
            "p-anything: 1",
            "x-ACCOUNT: 1",
            "X-account-id: 1",
            "Additional-Identity: <sip:1@h>",
            "attestation-info: A",
            "Origination-ID: 1",
        ] {
            assert!(dropped(Screen::Untrusted, Method::Invite, line), "{line}");
            assert!(!dropped(Screen::Trusted, Method::Invite, line), "{line}");
            assert!(!dropped(Screen::Open, Method::Invite, line), "{line}");
        }
        for line in [
            "X-Odd: 1",
            "Privacy: id",
            "Identity: x",
            "X-Acc: 1",
            "P: 1",
            "Subject: P-Asserted-Identity: x",
        ] {
            assert!(!dropped(Screen::Untrusted, Method::Invite, line), "{line}");
        }
    }

    #[test]
    fn d08_no_header_of_a_caller_reaches_another_call_or_number() {
        for line in [
            "Replaces: a;to-tag=1;from-tag=2",
            "JOIN : a",
            "Target-Dialog: a",
            "r: <sip:53@h>",
            "Refer-To: <tel:53>",
        ] {
            for screen in [Screen::Trusted, Screen::Untrusted] {
                assert!(dropped(screen, Method::Invite, line), "{line}");
            }
            assert!(!dropped(Screen::Open, Method::Invite, line), "{line}");
        }
        assert!(!dropped(
            Screen::Untrusted,
            Method::Refer,
            "Refer-To: <tel:53>"
        ));
    }

    #[test]
    fn a21_a51_a_to_header_keeps_its_number_and_loses_what_hangs_on_it() {
        for (to, expected) in [
            ("<sip:44:53@h>", "<sip:44@h>"),
            (
                "\"B\" <sip:44;postd=pp53@h:5070;user=phone>;x=1",
                "<sip:44@h:5070;user=phone>",
            ),
            ("<sip:44%3Bpostd=53@h>", "<sip:44@h>"),
            ("<sip:44%3bpostd=53@h>", "<sip:44@h>"),
            ("<sip:44@h?Replaces=a>", "<sip:44@h>"),
            ("<sips:;x=1@h>", "<sips:h>"),
            ("<tel:+44;postd=53;isub=1>", "<tel:+44>"),
            (
                "<tel:44;isub=1;phone-context=+44>",
                "<tel:44;phone-context=+44>",
            ),
        ] {
            let (bytes, index) = read("X: 1", to);
            let value = to_address(&bytes, &index)
                .map(|value| String::from_utf8_lossy(&value).into_owned());
            assert_eq!(value.as_deref(), Some(expected), "{to}");
        }
        for to in [
            "\"B\" <sip:44@h;user=phone>",
            "<tel:+44>",
            "<sip:h>",
            "<mailto:a@h?subject=x>",
        ] {
            let (bytes, index) = read("X: 1", to);
            assert_eq!(to_address(&bytes, &index), None, "{to}");
        }
    }

    #[test]
    fn spans_of_a_field_elsewhere_are_no_panic() {
        let field = Field {
            name: Name::Other,
            line: Span::new(0, 9),
            label: Span::new(5, 99),
            value: Span::new(9, 9),
        };
        assert!(!Screen::Untrusted.drops(Method::Invite, &field, b"short"));
    }
}
