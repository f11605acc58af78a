//! What each side of a call is shown of the other, where that is not what the other says itself: another From or
//! To, another Call-ID, and with topology hiding nobody but us in Via, Record-Route and Contact.
//!
//! Each side hears its own words again in what comes back, as RFC 3261 8.2.6.2 and 12.2.1.1 want. Tags are never
//! changed, so both sides name the dialog by the same pair.

use std::sync::Arc;

use crate::event::Side;
use crate::header::NameAddr;
use crate::message::{Index, Name, Span};

/// One thing as the two sides know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faces {
    /// On the caller's side.
    pub caller: Box<[u8]>,
    /// On the side of who answers.
    pub callee: Box<[u8]>,
}

impl Faces {
    /// As that side knows it.
    pub fn towards(&self, side: Side) -> &[u8] {
        match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        }
    }
}

/// Of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Veil {
    /// Neither side sees Via, Record-Route or Contact of the other: we stand in their place.
    pub hides: bool,
    /// The caller's address, as it stands in From of the INVITE: all but its parameters. None: as it came.
    pub from: Option<Faces>,
    /// The address in To of the INVITE, likewise.
    pub to: Option<Faces>,
    /// Call-ID.
    pub call_id: Option<Faces>,
    /// Where `hides`: the Via lines that responses to the INVITE carry towards the caller.
    pub vias: Box<[u8]>,
}

impl Veil {
    /// Whether the sides know any thing by different names.
    pub fn is_any(&self) -> bool {
        self.hides || self.from.is_some() || self.to.is_some() || self.call_id.is_some()
    }

    /// What a message towards `to` carries in place of what stands in it. `asker`: the side that sent the request,
    /// of which From tells.
    pub fn mask(&self, to: Side, asker: Side, bytes: &[u8], index: &Index) -> Mask {
        let (from, callee) = match asker {
            Side::Caller => (&self.from, &self.to),
            Side::Callee => (&self.to, &self.from),
        };
        let face = |faces: &Option<Faces>, own: &NameAddr| {
            let faces = faces.as_ref()?;
            Some(with_params(faces.towards(to), own.params.of(bytes)))
        };
        Mask {
            from: face(from, &index.from),
            to: face(callee, &index.to),
            call_id: self.call_id.as_ref().map(|id| id.towards(to).into()),
            ..Mask::default()
        }
    }

    /// A From or To value of the caller or the callee, `of`, as the side `to` knows it.
    pub fn identity(&self, of: Side, to: Side, value: &[u8]) -> Box<[u8]> {
        let faces = match of {
            Side::Caller => &self.from,
            Side::Callee => &self.to,
        };
        let address = NameAddr::parse(value, Span::new(0, value.len()));
        match (faces, address) {
            (Some(faces), Ok(address)) => {
                with_params(faces.towards(to), address.params.of(value)).into()
            }
            _ => value.into(),
        }
    }

    /// The Call-ID that the side `to` knows, where the caller's is `own`.
    pub fn call_id<'a>(&'a self, to: Side, own: &'a [u8]) -> &'a [u8] {
        self.call_id.as_ref().map_or(own, |id| id.towards(to))
    }
}

/// What one message carries in place of what came in.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// Value of From.
    pub from: Option<Vec<u8>>,
    /// Value of To.
    pub to: Option<Vec<u8>>,
    /// Value of Call-ID.
    pub call_id: Option<Box<[u8]>>,
    /// Value of Refer-To.
    pub refer_to: Option<Vec<u8>>,
    /// We stand in the place of who sent it.
    pub hidden: Option<Hidden>,
}

/// With topology hiding.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    /// Via lines in place of all that came in, without the one that we add.
    pub vias: Vec<u8>,
    /// Record-Route lines of a response; of a request, we add our own.
    pub record_routes: Vec<u8>,
    /// Our URI for Contact.
    pub contact: Vec<u8>,
}

/// How the responses to a request go back to the side that asked.
#[derive(Clone, Debug)]
pub struct Reveal {
    /// Of the call.
    pub veil: Arc<Veil>,
    /// Which side.
    pub to: Side,
    /// With topology hiding.
    pub hidden: Option<Hidden>,
}

impl Reveal {
    /// What a response carries in place of what came back.
    pub fn mask(&self, bytes: &[u8], index: &Index) -> Mask {
        let mut mask = self.veil.mask(self.to, self.to, bytes, index);
        mask.hidden.clone_from(&self.hidden);
        mask
    }
}

/// The text of an address field up to its parameters.
pub fn address_of<'a>(bytes: &'a [u8], index: &Index, name: Name, address: &NameAddr) -> &'a [u8] {
    let Some(field) = index.first(name) else {
        return b"";
    };
    if address.params.is_empty() {
        return field.value.of(bytes);
    }
    let text = Span {
        start: field.value.start,
        end: address.params.start,
    };
    let text = text.of(bytes).trim_ascii_end();
    text.strip_suffix(b";").unwrap_or(text).trim_ascii_end()
}

fn with_params(address: &[u8], params: &[u8]) -> Vec<u8> {
    let mut value = address.to_vec();
    if !params.is_empty() {
        value.push(b';');
        value.extend_from_slice(params);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn veil() -> Veil {
        Veil {
            from: Some(Faces {
                caller: b"\"A\" <sip:a@pbx>".as_slice().into(),
                callee: b"<sip:+44@sg>".as_slice().into(),
            }),
            ..Veil::default()
        }
    }

    #[test]
    fn a_value_changes_its_address_and_keeps_its_tag() {
        let veil = veil();
        assert_eq!(
            *veil.identity(Side::Caller, Side::Callee, b"\"A\" <sip:a@pbx> ;tag=1;x=2"),
            *b"<sip:+44@sg>;tag=1;x=2"
        );
        assert_eq!(
            *veil.identity(Side::Caller, Side::Caller, b"<sip:+44@sg>;tag=1"),
            *b"\"A\" <sip:a@pbx>;tag=1"
        );
        assert_eq!(
            *veil.identity(Side::Callee, Side::Caller, b"<sip:b@h>;tag=2"),
            *b"<sip:b@h>;tag=2",
            "not veiled"
        );
        assert_eq!(*veil.identity(Side::Caller, Side::Caller, b"<<"), *b"<<");
    }
}
