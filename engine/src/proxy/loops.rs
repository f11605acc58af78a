//! Loop detection, RFC 3261 16.3 step 4 as RFC 5393 section 4.2 mends it: a request that was here before and
//! would be judged and routed the same way goes no further; one that has changed on its way (a spiral) does.

use crate::endpoint::{Endpoint, Incoming};
use crate::header::{element_spans, Via};
use crate::message::Name;
use crate::transaction::key::{read_branch, read_loop_key, OURS};

impl Endpoint {
    /// The request would take the way again that it has come.
    pub(crate) fn is_loop(&self, message: Incoming) -> bool {
        self.came_from_here(message) || self.was_here_alike(message)
    }

    /// The last hop was this very proxy: a gateway or a Contact with an address of ours. No judgement can make
    /// sense of it, and inside a dialog nothing else would end it but Max-Forwards.
    pub(crate) fn came_from_here(&self, message: Incoming) -> bool {
        let via = &message.index.via;
        read_branch(via.branch.of(message.bytes)).is_some()
            && self.is_own_address(
                via.host.of(message.bytes),
                via.port.unwrap_or(message.flow.transport.default_port()),
            )
    }

    fn was_here_alike(&self, message: Incoming) -> bool {
        let Incoming { bytes, index, flow } = message;
        let mut keys = index
            .all(Name::Via)
            .filter(|field| memchr::memmem::find(field.value.of(bytes), OURS).is_some())
            .flat_map(|field| element_spans(bytes, field.value))
            .filter_map(|element| {
                let mut via = Via::default();
                via.read(bytes, element).ok()?;
                read_loop_key(via.branch.of(bytes))
            })
            .peekable();
        if keys.peek().is_none() {
            return false;
        }
        let present = self.keys.loop_key(bytes, index, flow.peer.ip());
        keys.any(|key| key == present)
    }
}
