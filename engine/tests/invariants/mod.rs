//! What must be true of the parser for all bytes. The property tests and the fuzz target run this same file.

use sipguard_engine::header::route::route_elements;
use sipguard_engine::message::{Index, Name, Span, Start};
use sipguard_engine::parse::{self, Kind};
use sipguard_engine::uri;

/// Fields that may stand once, with the spellings a reader could take for them.
const SINGLE: [(Name, [&str; 2]); 6] = [
    (Name::From, ["from", "f"]),
    (Name::To, ["to", "t"]),
    (Name::CallId, ["call-id", "i"]),
    (Name::CSeq, ["cseq", "cseq"]),
    (Name::MaxForwards, ["max-forwards", "max-forwards"]),
    (Name::ContentLength, ["content-length", "l"]),
];

/// Reads the bytes and asserts all invariants.
pub fn hold(bytes: &[u8]) {
    let mut index = Index::new();
    let kind = parse::datagram(bytes, &mut index);
    spans_lie_within(bytes, &index);
    a_used_index_reads_alike(bytes, kind, &index);
    match (kind, index.fault) {
        (Kind::Request, None) | (Kind::Response, _) => {
            assert_eq!(index.fault, None);
            pieces_are_the_message(bytes, &index);
            a_lenient_reader_agrees(bytes, kind, &index);
            plain_form_reads_alike(bytes, kind, &index);
            request_uri_is_plain(bytes, &index);
        }
        (Kind::Request, Some(fault)) => assert!(matches!(fault.status, 400 | 505 | 513)),
        (Kind::KeepAlive | Kind::Garbage, _) => {}
    }
}

fn spans(index: &Index) -> Vec<Span> {
    let mut spans = match index.start {
        Start::Request { method, uri } => vec![method, uri],
        Start::Response { phrase, .. } => vec![phrase],
    };
    spans.extend([
        index.start_line,
        index.blank,
        index.body,
        index.call_id,
        index.cseq.method,
    ]);
    for address in [&index.from, &index.to] {
        spans.extend([address.display, address.uri, address.params, address.tag]);
    }
    let via = &index.via;
    spans.extend([
        via.transport,
        via.host,
        via.branch,
        via.received,
        via.maddr,
        via.value,
        via.rest,
    ]);
    spans.extend(via.rport);
    spans.extend(
        index
            .fields
            .iter()
            .flat_map(|field| [field.line, field.label, field.value]),
    );
    spans
}

fn spans_lie_within(bytes: &[u8], index: &Index) {
    for span in spans(index) {
        assert!(
            span.start <= span.end && span.end as usize <= bytes.len(),
            "{span:?} of {}",
            bytes.len()
        );
    }
}

/// Nothing of the message before shines through.
fn a_used_index_reads_alike(bytes: &[u8], kind: Kind, index: &Index) {
    let other = b"BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x:1;branch=z9hG4bKx;rport;received=y;maddr=z, SIP/2.0/UDP y\r\n\
        From: f <sip:f>;tag=f\r\nTo: t <sip:t>;tag=t\r\ni: i\r\nCSeq: 9 BYE\r\nMax-Forwards: 9\r\nl: 2\r\nl: 1\r\n\r\nx";
    let mut used = Index::new();
    parse::datagram(other, &mut used);
    assert!(used.fault.is_some() && used.max_forwards.is_some());
    assert_eq!(parse::datagram(bytes, &mut used), kind);
    assert_eq!(used, *index);
}

fn pieces_are_the_message(bytes: &[u8], index: &Index) {
    let mut pieces = index.start_line.of(bytes).to_vec();
    for field in &index.fields {
        pieces.extend_from_slice(field.line.of(bytes));
    }
    pieces.extend_from_slice(index.blank.of(bytes));
    pieces.extend_from_slice(index.body.of(bytes));
    let (before, message) =
        bytes[..index.body.end as usize].split_at(index.start_line.start as usize);
    assert!(before.chunks(2).all(|pair| pair == b"\r\n"));
    assert_eq!(pieces, message);
}

/// A reader that takes any line end, ignores control characters and blanks in names, and lets the header end at
/// the first line of blanks, must find the same fields, values and body. If not, the message could be smuggled.
fn a_lenient_reader_agrees(bytes: &[u8], kind: Kind, index: &Index) {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut at = index.start_line.end as usize;
    loop {
        let line_end = at
            + bytes[at..]
                .iter()
                .position(|&byte| byte == b'\n')
                .map_or(bytes.len() - at, |lf| lf + 1);
        let line = &bytes[at..line_end];
        at = line_end;
        if line.iter().all(u8::is_ascii_whitespace) {
            break;
        }
        let text = words(line);
        match found.last_mut() {
            Some((_, value)) if line[0] == b' ' || line[0] == b'\t' => {
                value.push(b' ');
                value.extend(text);
            }
            _ => {
                let colon = text
                    .iter()
                    .position(|&byte| byte == b':')
                    .unwrap_or(text.len());
                let name = text[..colon].iter().filter(|byte| byte.is_ascii_graphic());
                let name = name
                    .map(|&byte| char::from(byte.to_ascii_lowercase()))
                    .collect();
                found.push((name, words(text.get(colon + 1..).unwrap_or_default())));
            }
        }
    }
    assert_eq!(at, index.body.start as usize, "the header ends elsewhere");
    for (name, spellings) in SINGLE {
        if kind == Kind::Response && name == Name::MaxForwards {
            continue; // means nothing there, and is not looked at
        }
        let theirs: Vec<_> = found
            .iter()
            .filter(|field| spellings.contains(&field.0.as_str()))
            .collect();
        let ours: Vec<_> = index
            .all(name)
            .map(|field| words(field.value.of(bytes)))
            .collect();
        assert!(ours.len() <= 1, "{name:?} twice");
        assert_eq!(
            theirs
                .iter()
                .map(|field| words(&field.1))
                .collect::<Vec<_>>(),
            ours,
            "{name:?}"
        );
    }
}

/// The text with every run of white space as one blank, and none at the ends.
fn words(text: &[u8]) -> Vec<u8> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    text.split(is_blank)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(&b' ')
}

/// Written anew without folds, and with long names throughout, the message says the same.
fn plain_form_reads_alike(bytes: &[u8], kind: Kind, index: &Index) {
    let mut plain = index.start_line.of(bytes).to_vec();
    for field in &index.fields {
        let label: &[u8] = match field.name {
            Name::To => &b"To"[..],
            Name::Via => b"vIA",
            _ => field.label.of(bytes),
        };
        for part in [label, b": ", &unfolded(field.value.of(bytes)), b"\r\n"] {
            plain.extend_from_slice(part);
        }
    }
    plain.extend_from_slice(b"\r\n");
    plain.extend_from_slice(index.body.of(bytes));
    if plain.len() > parse::MAX_MESSAGE {
        return;
    }
    let mut again = Index::new();
    assert_eq!(parse::datagram(&plain, &mut again), kind);
    assert_eq!(again.fault, None);
    assert_eq!(again.method, index.method);
    assert_eq!(again.fields.len(), index.fields.len());
    let texts = |index: &Index, bytes: &[u8]| {
        let via = &index.via;
        let pieces = [
            index.cseq.method,
            index.call_id,
            via.transport,
            via.host,
            via.branch,
            via.received,
            via.maddr,
        ];
        let addresses = [index.from.uri, index.from.tag, index.to.uri, index.to.tag];
        let texts: Vec<_> = pieces
            .iter()
            .chain(&addresses)
            .map(|span| span.of(bytes).to_vec())
            .collect();
        (
            texts,
            index.cseq.number,
            via.port,
            via.rport.map(|rport| rport.of(bytes).to_vec()),
            index.max_forwards,
        )
    };
    assert_eq!(texts(&again, &plain), texts(index, bytes));
    let routes = |index: &Index, bytes: &[u8]| {
        let elements = route_elements(bytes, index, Name::Route).chain(route_elements(
            bytes,
            index,
            Name::RecordRoute,
        ));
        elements
            .map(|route| route.uri.of(bytes).to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(routes(&again, &plain), routes(index, bytes));
}

fn unfolded(value: &[u8]) -> Vec<u8> {
    let blank = |&byte: &u8| {
        if matches!(byte, b'\r' | b'\n') {
            b' '
        } else {
            byte
        }
    };
    value.iter().map(blank).collect()
}

/// What policy judges is what stands in the request line, and nothing else can be dialled by it.
fn request_uri_is_plain(bytes: &[u8], index: &Index) {
    let Start::Request { method, uri } = index.start else {
        return;
    };
    let line = [method.of(bytes), b" ", uri.of(bytes), b" ", b"SIP/2.0\r\n"].concat();
    assert!(index.start_line.of(bytes).eq_ignore_ascii_case(&line));
    let text = uri.of(bytes);
    assert!(text.iter().all(u8::is_ascii_graphic));
    let parsed = uri::parse(text);
    assert!(parsed.is_ok(), "{text:?}");
    if let Ok(uri) = parsed {
        assert!(
            uri.is_equivalent(&uri) || uri.scheme == uri::Scheme::Other || uri.params.len() > 32
        );
        let mut user = Vec::new();
        assert_eq!(
            uri::unescape(uri.user.unwrap_or_default(), &mut user),
            Ok(())
        );
    }
}
