//! Digest authentication (RFC 7616, RFC 8760; RFC 3261 section 22), with a client written from the RFC.

#![allow(clippy::unwrap_used, clippy::panic)]

mod between;

use between::{Wire, CALLER, GATEWAY};
use sipguard_engine::digest::{Algorithm, Authenticator, Ha1, Outcome};

const REALM: &str = "example";
const KEY: [u8; 32] = [5; 32];
const LIFE_MS: u64 = 300_000;
const URI: &str = "sip:880@203.0.113.5";
const T0: u64 = 1_700_000_000_000;

fn authenticator(key: [u8; 32], realm: &str) -> Authenticator {
    let all = [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];
    Authenticator::new(realm, &key, &all, LIFE_MS)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// What a client says for a challenge.
struct Client {
    user: &'static str,
    password: &'static str,
    algorithm: Algorithm,
    nonce: String,
    uri: &'static str,
    nc: u32,
    qop: Option<&'static str>,
    body: &'static str,
}

impl Client {
    fn new(nonce: &str) -> Self {
        Client {
            user: "alice",
            password: "wonder land",
            algorithm: Algorithm::Sha256,
            nonce: nonce.to_owned(),
            uri: URI,
            nc: 1,
            qop: Some("auth"),
            body: "",
        }
    }

    fn header(&self) -> String {
        let hash = |parts: &[&str]| {
            let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
            text(self.algorithm.hash(&parts))
        };
        let ha1 = hash(&[self.user, REALM, self.password]);
        let ha2 = match self.qop {
            Some("auth-int") => hash(&["INVITE", self.uri, &hash(&[self.body])]),
            _ => hash(&["INVITE", self.uri]),
        };
        let nc = format!("{:08x}", self.nc);
        let (response, count) = match self.qop {
            Some(qop) => (
                hash(&[&ha1, &self.nonce, &nc, "c\"n", qop, &ha2]),
                format!(", qop={qop}, nc={nc}, cnonce=\"c\\\"n\""),
            ),
            None => (hash(&[&ha1, &self.nonce, &ha2]), String::new()),
        };
        format!(
            "Proxy-Authorization: Digest username=\"{}\",realm=\"{REALM}\", nonce=\"{}\", uri=\"{}\", \
             response=\"{response}\", algorithm={}{count}",
            self.user,
            self.nonce,
            self.uri,
            self.algorithm.name()
        )
    }
}

/// One proxy that knows alice.
struct Guarded {
    wire: Wire,
    serial: u32,
}

impl Guarded {
    fn new() -> Self {
        let mut wire = Wire::new();
        wire.sg.set_authenticator(authenticator(KEY, REALM));
        Guarded { wire, serial: 0 }
    }

    /// An INVITE with these header lines; the id of its call.
    fn invite(&mut self, extra: &str, body: &str) -> u64 {
        self.serial += 1;
        let serial = self.serial;
        let extra = if extra.is_empty() {
            String::new()
        } else {
            format!("{extra}\n")
        };
        let invite = format!(
            "INVITE {URI} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{serial};rport\n\
             Max-Forwards: 70\nFrom: <sip:alice@192.0.2.10>;tag=t\nTo: <sip:880@203.0.113.5>\n\
             Call-ID: {serial}@a\nCSeq: 1 INVITE\nContact: <sip:a@192.0.2.10:5060>\n{extra}\
             Content-Length: {}\n\n{body}",
            body.len()
        );
        self.wire.send(CALLER, &invite);
        let events = self.wire.events();
        let Some(sipguard_engine::event::Event::Invite { call, .. }) = events.first() else {
            panic!("no INVITE: {events:?}");
        };
        *call
    }

    fn nonce(&mut self, unix_ms: u64) -> String {
        let call = self.invite("", "");
        assert!(self.wire.sg.challenge(call, false, unix_ms));
        let (_, response) = self.wire.sent().pop().unwrap();
        let (_, rest) = response.split_once("nonce=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    fn check(&mut self, client: &Client, unix_ms: u64) -> Outcome {
        self.check_header(&client.header(), client.body, unix_ms)
    }

    fn check_header(&mut self, header: &str, body: &str, unix_ms: u64) -> Outcome {
        let call = self.invite(header, body);
        let hash =
            |algorithm: Algorithm| algorithm.hash(&[b"alice", REALM.as_bytes(), b"wonder land"]);
        let (md5, sha256, sha512_256) = (
            hash(Algorithm::Md5),
            hash(Algorithm::Sha256),
            hash(Algorithm::Sha512_256),
        );
        let ha1 = Ha1 {
            md5: &md5,
            sha256: &sha256,
            sha512_256: &sha512_256,
        };
        let outcome = self.wire.sg.authenticate(call, ha1, unix_ms);
        self.wire.sg.reject(call, 486, "Busy Here", b"");
        outcome
    }
}

#[test]
fn the_examples_of_rfc_7616_section_3_9_1() {
    for (algorithm, expected) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            Algorithm::Sha256,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ] {
        let ha1 = algorithm.hash(&[b"Mufasa", b"http-auth@example.org", b"Circle of Life"]);
        let ha2 = algorithm.hash(&[b"GET", b"/dir/index.html"]);
        let response = algorithm.hash(&[
            &ha1,
            b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            b"00000001",
            b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            b"auth",
            &ha2,
        ]);
        assert_eq!(text(response), expected, "{}", algorithm.name());
    }
}

#[test]
fn i01_a_challenge_has_one_header_for_each_algorithm_the_strongest_first() {
    let mut guarded = Guarded::new();
    let call = guarded.invite("", "");
    assert!(guarded.wire.sg.challenge(call, true, T0));
    let (_, response) = guarded.wire.sent().pop().unwrap();
    assert!(response.starts_with("SIP/2.0 407 "), "{response}");
    let lines: Vec<_> = response
        .lines()
        .filter(|line| line.starts_with("Proxy-Authenticate: Digest "))
        .collect();
    assert_eq!(lines.len(), 3);
    for (line, algorithm) in lines.iter().zip(["SHA-512-256", "SHA-256", "MD5"]) {
        for part in [
            "realm=\"example\"",
            "qop=\"auth\"",
            "stale=true",
            &format!("algorithm={algorithm}"),
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    assert!(!guarded.wire.sg.challenge(call, true, T0), "answered once");
}

#[test]
fn i02_right_answers_are_right_in_every_algorithm_and_quality() {
    let mut guarded = Guarded::new();
    for algorithm in [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5] {
        for (qop, body) in [
            (Some("auth"), ""),
            (Some("auth-int"), "v=0"),
            (Some("auth-int"), ""),
            (None, ""),
        ] {
            let nonce = guarded.nonce(T0);
            let mut client = Client::new(&nonce);
            (client.algorithm, client.qop) = (algorithm, qop);
            client.body = body;
            assert_eq!(guarded.check(&client, T0), Outcome::Right, "{qop:?}");
            client.password = "wonderland";
            client.nc = 2;
            assert_eq!(guarded.check(&client, T0), Outcome::Wrong, "{qop:?}");
        }
    }
}

#[test]
fn i02_b21_a_nonce_that_is_too_old_or_not_ours_is_stale() {
    let mut guarded = Guarded::new();
    let nonce = guarded.nonce(T0);
    let client = Client::new(&nonce);
    assert_eq!(guarded.check(&client, T0 + LIFE_MS), Outcome::Stale);
    assert_eq!(guarded.check(&client, T0 - 3_600_000), Outcome::Stale);
    let mut foreign = Vec::new();
    for other in [authenticator([6; 32], REALM), authenticator(KEY, "other")] {
        foreign.push(text(other.challenge("X", T0, 7, false)));
    }
    let stolen = |challenge: &String| {
        let (_, rest) = challenge.split_once("nonce=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let mut forged = nonce.clone();
    forged.replace_range(0..16, &format!("{:016x}", T0 + 1));
    let mut nonces: Vec<String> = foreign.iter().map(stolen).collect();
    nonces.extend([
        forged,
        "short".to_owned(),
        "\u{e9}".repeat(32),
        String::new(),
    ]);
    for nonce in nonces {
        assert_eq!(
            guarded.check(&Client::new(&nonce), T0),
            Outcome::Stale,
            "{nonce}"
        );
    }
    assert_eq!(guarded.check(&client, T0 + LIFE_MS - 1), Outcome::Right);
}

#[test]
fn i02_a_nonce_survives_a_restart() {
    let nonce = Guarded::new().nonce(T0);
    assert_eq!(
        Guarded::new().check(&Client::new(&nonce), T0 + 1),
        Outcome::Right
    );
}

#[test]
fn i02_the_nonce_count_has_to_grow() {
    let mut guarded = Guarded::new();
    let nonce = guarded.nonce(T0);
    let mut client = Client::new(&nonce);
    let mut said = |nc: u32| {
        client.nc = nc;
        guarded.check(&client, T0)
    };
    assert_eq!(said(1), Outcome::Right);
    assert_eq!(said(1), Outcome::Replayed);
    assert_eq!(said(5), Outcome::Right);
    assert_eq!(said(4), Outcome::Replayed);
    assert_eq!(said(6), Outcome::Right);
    assert_eq!(said(0), Outcome::Malformed);
    // Without a count a nonce is good for one request.
    let nonce = guarded.nonce(T0);
    let mut client = Client::new(&nonce);
    client.qop = None;
    assert_eq!(guarded.check(&client, T0), Outcome::Right);
    assert_eq!(guarded.check(&client, T0), Outcome::Replayed);
}

#[test]
fn i02_used_nonces_are_bounded_and_a_forgotten_one_is_stale() {
    let mut ours = authenticator(KEY, REALM);
    ours.limit_used(2);
    let mut guarded = Guarded::new();
    guarded.wire.sg.set_authenticator(ours);
    let nonces: Vec<_> = (0..3).map(|at| guarded.nonce(T0 + at)).collect();
    for nonce in &nonces {
        assert_eq!(guarded.check(&Client::new(nonce), T0 + 9), Outcome::Right);
    }
    let mut first = Client::new(&nonces[0]);
    first.nc = 2;
    assert_eq!(guarded.check(&first, T0 + 9), Outcome::Stale);
    assert_eq!(
        guarded.check(&Client::new(&nonces[0]), T0 + 9),
        Outcome::Stale,
        "what was forgotten cannot be replayed"
    );
    assert_eq!(
        guarded.check(&Client::new(&nonces[2]), T0 + 9),
        Outcome::Replayed
    );
}

#[test]
fn i02_credentials_are_for_one_target() {
    let mut guarded = Guarded::new();
    let nonce = guarded.nonce(T0);
    for (uri, outcome) in [
        ("sip:881@203.0.113.5", Outcome::Malformed),
        ("sip:880@203.0.113.6", Outcome::Malformed),
        ("sips:880@203.0.113.5", Outcome::Malformed),
        ("sip:880@203.0.113.5:5070", Outcome::Malformed),
        ("", Outcome::Malformed),
        ("*", Outcome::Malformed),
        ("sip:880@203.0.113.5:5060;transport=udp", Outcome::Right),
    ] {
        let mut client = Client::new(&nonce);
        client.uri = uri;
        assert_eq!(guarded.check(&client, T0), outcome, "{uri}");
    }
}

#[test]
fn v08_credentials_that_cannot_be_read_are_no_credentials() {
    let mut guarded = Guarded::new();
    let nonce = guarded.nonce(T0);
    let right = Client::new(&nonce).header();
    for (header, outcome) in [
        (String::new(), Outcome::Missing),
        (
            "Proxy-Authorization: Basic YTpi".to_owned(),
            Outcome::Missing,
        ),
        ("Proxy-Authorization: Digest".to_owned(), Outcome::Missing),
        (right.replace(REALM, "elsewhere"), Outcome::Missing),
        (
            right.replace("Proxy-Authorization", "Authorization"),
            Outcome::Missing,
        ),
        (right.replace("SHA-256", "SHA-256-sess"), Outcome::Missing),
        (right.replace("SHA-256", "TOKEN"), Outcome::Missing),
        (
            right.replace("response=\"", "response=\"\", x=\""),
            Outcome::Wrong,
        ),
        (right.replace("username", "user"), Outcome::Malformed),
        (format!("{right}, username=\"bob\""), Outcome::Malformed),
        (format!("{right}, nonce=\"x\""), Outcome::Malformed),
        (right.replace("qop=auth", "qop=other"), Outcome::Malformed),
        (right.replace("nc=00000001", "nc=1g"), Outcome::Malformed),
        (right.replace("nc=00000001, ", ""), Outcome::Malformed),
        (
            right.replace("nc=00000001", "nc=000000001"),
            Outcome::Malformed,
        ),
        (right.replace("cnonce", "cn"), Outcome::Malformed),
    ] {
        assert_eq!(guarded.check_header(&header, "", T0), outcome, "{header}");
    }
    // Each in a header of its own (M-05): those of others do not hide ours.
    let both = format!(
        "{}\n{}",
        right.replace(REALM, "elsewhere"),
        right
            .replace("Digest ", "digest\t")
            .replace("realm", "REALM")
    );
    assert_eq!(guarded.check_header(&both, "", T0), Outcome::Right);
}

#[test]
fn i02_own_credentials_go_no_further_and_others_do() {
    let mut guarded = Guarded::new();
    let nonce = guarded.nonce(T0);
    let ours = Client::new(&nonce).header();
    let theirs = ours.replace(REALM, "elsewhere");
    let call = guarded.invite(&format!("{ours}\n{theirs}\nAuthorization: Basic x"), "");
    guarded.wire.sent();
    assert!(guarded
        .wire
        .sg
        .forward(call, &between::target(GATEWAY), Some("880")));
    let (_, invite) = guarded.wire.sent().pop().unwrap();
    assert!(invite.starts_with("INVITE sip:880@"), "{invite}");
    assert!(!invite.contains("realm=\"example\""), "{invite}");
    assert!(
        invite.contains(&format!("\r\n{theirs}\r\nAuthorization: Basic x\r\n")),
        "{invite}"
    );
}

#[test]
fn i03_ack_and_cancel_are_never_asked() {
    let mut guarded = Guarded::new();
    let call = guarded.invite("", "");
    let cancel = format!(
        "CANCEL {URI} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1;rport\nMax-Forwards: 70\n\
         From: <sip:alice@192.0.2.10>;tag=t\nTo: <sip:880@203.0.113.5>\nCall-ID: 1@a\nCSeq: 1 CANCEL\n\
         Content-Length: 0\n\n"
    );
    guarded.wire.send(CALLER, &cancel);
    let (_, response) = guarded.wire.sent().pop().unwrap();
    assert!(response.starts_with("SIP/2.0 200 "), "{response}");
    assert!(guarded.wire.events().is_empty(), "nothing to decide on");
    guarded.wire.sg.challenge(call, false, T0);
    let (_, challenge) = guarded.wire.sent().pop().unwrap();
    let ack = cancel.replace("CANCEL", "ACK").replace(
        "To: <sip:880@203.0.113.5>",
        &format!(
            "To: {}",
            between::header(&challenge.replace("\r\n", "\n"), "To")
        ),
    );
    guarded.wire.send(CALLER, &ack);
    guarded.wire.wait(10_000);
    assert!(guarded.wire.sent().is_empty(), "the 407 is not repeated");
    assert!(guarded.wire.events().is_empty());
}
