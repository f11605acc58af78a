//! How far an end of a call is believed, and what it wants to be kept from the other.

/// Of the caller, or of who answers; nothing is believed of an end that nothing is known of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Nobody has judged the call: all passes, as a relay would pass it on.
    pub open: bool,
    /// Within our trust domain (RFC 3325 2.3): what it says of identities is believed, and it is told what others
    /// want to be kept from strangers.
    pub trusted: bool,
    /// We say who it is, in place of what it says itself.
    pub asserted: bool,
    /// It has asked not to be told (RFC 3323). That holds from then on in all of the dialog: the message with the
    /// identity may be another one than that with the wish.
    pub private: bool,
}
