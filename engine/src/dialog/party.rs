//! The ends of a dialog, as requests towards them need them (RFC 3261 12.1).

use crate::transport::Flow;

/// One end of a dialog, as requests towards it need it (RFC 3261 12.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Where requests to it go, worked out once from its route set, its Contact and where it sent from.
    pub flow: Flow,
    /// Its From or To header value, tag included.
    pub identity: Box<[u8]>,
    /// Its tag.
    pub tag: Box<[u8]>,
    /// Its remote target: the URI of its Contact.
    pub target: Box<[u8]>,
    /// Its route set as the value of one Route header; empty: none.
    pub routes: Box<[u8]>,
    /// Highest CSeq number that it has used in the dialog.
    pub cseq: u32,
}

/// The answering end of one of the dialogs that a forked INVITE may have made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The end itself.
    pub party: Party,
    /// A 2xx came from it.
    pub confirmed: bool,
    /// A BYE passed.
    pub ended: bool,
}
