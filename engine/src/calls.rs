//! Calls by their Call-ID. One Call-ID may be that of several calls: forks from above, reuse, forgery.

use crate::dialog::{Call, Leg};
use crate::endpoint::Endpoint;

impl Endpoint {
    pub(crate) fn insert_call(&mut self, mut call: Box<Call>) {
        let key = self.keys.call_id(&call.call_id);
        call.sibling = self.by_call_id.insert(key, call.id).unwrap_or(0);
        if let Some(alias) = &call.alias {
            self.by_alias.insert(self.keys.call_id(alias), call.id);
        }
        self.calls.insert(call.id, call);
    }

    pub(crate) fn leg_mut(&mut self, call: u64, leg: usize) -> Option<&mut Leg> {
        self.calls.get_mut(&call)?.legs.get_mut(leg)
    }

    /// A call that one side knows by another Call-ID as well.
    pub(crate) fn name_also(&mut self, id: u64, alias: &[u8]) {
        if let Some(call) = self.calls.get_mut(&id) {
            let key = self.keys.call_id(alias);
            call.alias = Some(alias.into());
            self.by_alias.insert(key, id);
            if let Some(tap) = &mut self.outbox.tap {
                tap.name_also(key, &call.call_id);
            }
        }
    }

    pub(crate) fn remove_call(&mut self, id: u64) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        if let Some(alias) = &call.alias {
            self.by_alias.remove(&self.keys.call_id(alias));
        }
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

    /// Calls with this Call-ID, the newest first, and the one that a side knows by it.
    pub(crate) fn calls_with(&self, call_id: &[u8]) -> impl Iterator<Item = &Call> {
        let key = self.keys.call_id(call_id);
        let mut at = self.by_call_id.get(&key).copied().unwrap_or(0);
        let alias = self.by_alias.get(&key);
        let known_so = alias.and_then(|id| self.calls.get(id)).map(Box::as_ref);
        let call_id = call_id.to_vec();
        std::iter::from_fn(move || {
            let call = self.calls.get(&at)?;
            at = call.sibling;
            Some(call.as_ref())
        })
        .chain(known_so)
        .filter(move |call| *call.call_id == *call_id || call.alias.as_deref() == Some(&*call_id))
    }
}
