//! Calls by their Call-ID. One Call-ID may be that of several calls: forks from above, reuse, forgery.

use crate::dialog::{Call, Leg};
use crate::endpoint::Endpoint;

impl Endpoint {
    pub(crate) fn insert_call(&mut self, mut call: Box<Call>) {
        let key = self.keys.call_id(&call.call_id);
        call.sibling = self.by_call_id.insert(key, call.id).unwrap_or(0);
        self.calls.insert(call.id, call);
    }

    pub(crate) fn leg_mut(&mut self, call: u64, leg: usize) -> Option<&mut Leg> {
        self.calls.get_mut(&call)?.legs.get_mut(leg)
    }

    pub(crate) fn remove_call(&mut self, id: u64) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        let key = self.keys.call_id(&call.call_id);
        let mut at = self.by_call_id.get(&key).copied().unwrap_or(0);
        if at == id {
            if call.sibling == 0 {
                self.by_call_id.remove(&key);
            } else {
                self.by_call_id.insert(key, call.sibling);
            }
            return;
        }
        while let Some(other) = self.calls.get_mut(&at) {
            if other.sibling == id {
                other.sibling = call.sibling;
                return;
            }
            at = other.sibling;
        }
    }

    /// Call ids with this Call-ID, the newest first.
    pub(crate) fn calls_with(&self, call_id: &[u8]) -> impl Iterator<Item = &Call> {
        let mut at = self
            .by_call_id
            .get(&self.keys.call_id(call_id))
            .copied()
            .unwrap_or(0);
        let call_id = call_id.to_vec();
        std::iter::from_fn(move || {
            let call = self.calls.get(&at)?;
            at = call.sibling;
            Some(call.as_ref())
        })
        .filter(move |call| *call.call_id == *call_id)
    }
}
