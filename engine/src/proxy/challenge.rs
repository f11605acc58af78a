//! Who a request is from, where its source address does not tell: challenges and the credentials that answer them
//! (RFC 3261 22.2, 22.3). A registrar challenges with 401, a proxy with 407. ACK and CANCEL are never asked: they
//! are no events (22.1).

use std::sync::Arc;

use crate::digest::{Authenticator, Ha1, Outcome};
use crate::endpoint::Endpoint;
use crate::message::{Message, Method, Name};

impl Endpoint {
    /// Challenge for this realm from now on, and keep credentials for it from going any further.
    pub fn set_authenticator(&mut self, authenticator: Authenticator) {
        self.authenticator = Some(authenticator);
    }

    /// The user that an undecided request says it is from, by its credentials for our realm; None where it has
    /// none. Says nothing about whether they are right.
    pub fn credentials_user(&self, id: u64) -> Option<Vec<u8>> {
        let request = self.undecided_request(id)?;
        let name = credentials_name(request.index.method);
        self.authenticator.as_ref()?.username(&request, name)
    }

    /// Check the credentials of an undecided request against the hashes of the user that it names. A nonce count
    /// is used up by it, so each request is to be checked once. `unix_ms`: Unix milliseconds.
    pub fn authenticate(&mut self, id: u64, ha1: Ha1, unix_ms: u64) -> Outcome {
        let Some(request) = self.undecided_request(id) else {
            return Outcome::Missing;
        };
        let name = credentials_name(request.index.method);
        self.authenticator
            .as_mut()
            .map_or(Outcome::Missing, |authenticator| {
                authenticator.check(&request, name, ha1, unix_ms)
            })
    }

    /// Ask for credentials: 401 for REGISTER, 407 for anything else. `stale`: those that came may be right, but
    /// not with this nonce. False if the request is gone.
    pub fn challenge(&mut self, id: u64, stale: bool, unix_ms: u64) -> bool {
        let (Some(request), Some(authenticator)) =
            (self.undecided_request(id), self.authenticator.as_ref())
        else {
            return false;
        };
        let serial = self.keys.random();
        if request.index.method == Method::Register {
            let lines = authenticator.challenge("WWW-Authenticate", unix_ms, serial, stale);
            self.reject(id, 401, "Unauthorized", &lines)
        } else {
            let lines = authenticator.challenge("Proxy-Authenticate", unix_ms, serial, stale);
            self.reject(id, 407, "Proxy Authentication Required", &lines)
        }
    }

    fn undecided_request(&self, id: u64) -> Option<Arc<Message>> {
        if let Some(call) = self.calls.get(&id) {
            return call.invite.clone();
        }
        let server = self.table.servers.get(*self.asked.get(&id)?)?;
        server.request.clone()
    }
}

fn credentials_name(method: Method) -> Name {
    match method {
        Method::Register => Name::Authorization,
        _ => Name::ProxyAuthorization,
    }
}
