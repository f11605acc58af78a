//! Route and Record-Route, over repeated fields and comma lists alike (RFC 3261 sections 7.3.1, 20.30, 20.34).

use super::name_addr::NameAddr;
use crate::message::{Index, Name, Span};

/// One Route or Record-Route value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteElement {
    /// Number of its field in `Index::fields`.
    pub field: usize,
    /// The element as written, parameters included, trimmed.
    pub element: Span,
    /// Its URI without brackets; empty where the element is malformed (a request without fault has none such).
    pub uri: Span,
    /// Whether it is the only element of its field: the line can be dropped with it.
    pub only: bool,
    /// The elements behind it in the same field, trimmed; empty where it is the last.
    pub rest: Span,
}

/// All elements of the fields called `name` (Route, Record-Route, or another list of addresses), in their order.
pub fn route_elements<'a>(
    bytes: &'a [u8],
    index: &'a Index,
    name: Name,
) -> impl Iterator<Item = RouteElement> + 'a {
    let fields = index
        .fields
        .iter()
        .enumerate()
        .filter(move |(_, field)| field.name == name);
    fields.flat_map(move |(at, field)| {
        let value = field.value;
        super::element_spans(bytes, value).map(move |element| {
            let behind = Span {
                start: element.end,
                end: value.end,
            }
            .trim(bytes);
            let rest = Span {
                start: (behind.start + 1).min(behind.end),
                end: behind.end,
            }
            .trim(bytes);
            RouteElement {
                field: at,
                element,
                uri: NameAddr::parse(bytes, element)
                    .map(|address| address.uri)
                    .unwrap_or_default(),
                only: element == value,
                rest,
            }
        })
    })
}
