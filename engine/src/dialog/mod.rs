//! A call: what is kept of its dialogs, from the INVITE to the last BYE.

mod call;
mod cseq;
mod party;
mod reach;
mod saved;
mod trust;
mod veil;

pub use call::{Best, Call, Fork, Held, Phase};
pub use cseq::Numbers;
pub use party::{Leg, Party};
pub use reach::{believed, next_hop, reach, route_uri};
pub use saved::{restore, save};
pub use trust::Trust;
pub use veil::{address_of, Faces, Hidden, Mask, Reveal, Veil};
