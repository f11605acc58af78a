//! The record of a call: where it stands, its transactions, what waits for `release`, and its ends.

use std::collections::VecDeque;
use std::sync::Arc;

use super::party::{Leg, Party};
use super::trust::Trust;
use super::veil::Veil;
use crate::arena::Id;
use crate::event::Side;
use crate::message::Message;
use crate::timer::Nanos;
use crate::transaction::table::{Client, Server};
use crate::transport::Flow;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Policy was asked and has not said; nothing has left.
    Deciding,
    /// A gateway was asked.
    Proceeding,
    /// A 2xx is held until it is recorded.
    Answering,
    /// Answered.
    Live,
    /// A BYE came, or was sent from here; kept for late requests of its dialog.
    Ended,
}

/// A message that waits for `release`.
pub enum Held {
    /// A 2xx for the caller, our Via taken off.
    Response {
        /// 200 to 299.
        status: u16,
        /// Whose it is: its place among the legs.
        leg: usize,
        /// As it will be sent.
        bytes: Box<[u8]>,
    },
    /// A BYE, printed for the other side but for its branch.
    Request {
        /// Where its responses go.
        server: Id<Server>,
        /// The random part of the branch that it was printed with.
        branch: u64,
        /// As it will be sent.
        bytes: Box<[u8]>,
        /// Where it goes.
        flow: Flow,
    },
}

/// The 2xx of a further fork, which waits for `release_fork`.
pub struct Fork {
    /// 200 to 299.
    pub status: u16,
    /// Whose it is: its place among the legs.
    pub leg: usize,
    /// As it will be sent.
    pub bytes: Box<[u8]>,
    /// It is recorded, and waits for the first one alone.
    pub recorded: bool,
}

/// The best refusal so far (16.7 step 6).
pub struct Best {
    /// 300 to 699.
    pub status: u16,
    /// Our Via taken off; empty: no response came, one of ours stands for it.
    pub bytes: Box<[u8]>,
}

/// A call and its dialogs.
pub struct Call {
    /// Our own id.
    pub id: u64,
    /// Another call with the same Call-ID; 0: none.
    pub sibling: u64,
    /// Unguessable key in our Record-Route.
    pub token: u64,
    /// Where it stands.
    pub phase: Phase,
    /// The INVITE, until a final response was sent.
    pub invite: Option<Arc<Message>>,
    /// The INVITE's server transaction.
    pub server: Option<Id<Server>>,
    /// The INVITE's present client transaction; where it is answered, the one that was.
    pub client: Option<Id<Client>>,
    /// Its others, where several contacts are asked at once (16.6); none without `client`.
    pub beside: Vec<Id<Client>>,
    /// 6xx of one of them: it speaks for all, once they are over (16.7 step 5).
    pub declined: Option<u16>,
    /// The caller has cancelled.
    pub cancelled: bool,
    /// When the first provisional response other than 100 was passed on.
    pub ringing: Option<Nanos>,
    /// Policy was told that an end has gone: once, whatever else of the call goes silent before it has decided.
    pub lost: bool,
    /// One of them had a body: media may be flowing already.
    pub early_media: bool,
    /// How far the caller is believed; open: nobody has judged the call.
    pub trust: Trust,
    /// The gateway may be sent REFER.
    pub takes_refer: bool,
    /// The far end is a registered phone: what it says of where it is is believed as little as of a caller.
    pub to_phone: bool,
    /// It was called by a `sips` URI: all its requests go over TLS (26.2.2).
    pub secure: bool,
    /// What each side is shown of the other; None: all as it is.
    pub veil: Option<Arc<Veil>>,
    /// The Call-ID that hiding gateways are given, once one was.
    pub alias: Option<Box<[u8]>>,
    /// Known from the store, not from an INVITE of this run.
    pub restored: bool,
    /// Best refusal so far.
    pub best: Option<Best>,
    /// What waits for `release`, oldest first.
    pub held: VecDeque<Held>,
    /// Answers of further forks that are held, oldest first.
    pub forks: Vec<Fork>,
    /// Call-ID.
    pub call_id: Box<[u8]>,
    /// CSeq number of the INVITE.
    pub invite_cseq: u32,
    /// Who called.
    pub caller: Party,
    /// Who answered; several where the INVITE was forked further down.
    pub legs: Vec<Leg>,
}

impl Call {
    /// Nothing has been decided; nobody is trusted. `call_id`, `invite_cseq`, `caller`: of the INVITE.
    pub fn new(id: u64, token: u64, call_id: &[u8], invite_cseq: u32, caller: Party) -> Self {
        Call {
            id,
            sibling: 0,
            token,
            phase: Phase::Deciding,
            invite: None,
            server: None,
            client: None,
            beside: Vec::new(),
            declined: None,
            cancelled: false,
            ringing: None,
            lost: false,
            early_media: false,
            trust: Trust::default(),
            takes_refer: false,
            to_phone: false,
            secure: false,
            veil: None,
            alias: None,
            restored: false,
            best: None,
            held: VecDeque::new(),
            forks: Vec::new(),
            call_id: call_id.into(),
            invite_cseq,
            caller,
            legs: Vec::new(),
        }
    }

    /// The leg with this tag.
    pub fn leg(&mut self, tag: &[u8]) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| *leg.party.tag == *tag)
    }

    /// Its client transactions that are not over.
    pub fn branches(&self) -> impl Iterator<Item = Id<Client>> + '_ {
        self.client.into_iter().chain(self.beside.iter().copied())
    }

    /// One of them is over. False where it was none.
    pub fn end_branch(&mut self, id: Id<Client>) -> bool {
        if self.client == Some(id) {
            self.client = self.beside.pop();
            return true;
        }
        let before = self.beside.len();
        self.beside.retain(|other| *other != id);
        self.beside.len() < before
    }

    /// Policy has judged its number; else it only passes through, as a relay's would.
    pub fn is_judged(&self) -> bool {
        !self.trust.open
    }

    /// For a request of ours that speaks for one end of a leg to the other, `to`: value of From, the end that it
    /// goes to, by the name that it knows itself by, and Call-ID.
    pub fn spoken(&self, to: Side, leg: &Party) -> (Box<[u8]>, Party, Box<[u8]>) {
        let (from, far) = match to {
            Side::Caller => (leg, &self.caller),
            Side::Callee => (&self.caller, leg),
        };
        let (mut from, mut far, mut call_id) =
            (from.identity.clone(), far.clone(), self.call_id.clone());
        if let Some(veil) = &self.veil {
            from = veil.identity(to.other(), to, &from);
            far.identity = veil.identity(to, to, &far.identity);
            call_id = veil.call_id(to, &call_id).into();
        }
        (from, far, call_id)
    }

    /// An answer that nobody wants, as a call of its own.
    pub fn is_unwanted(&self) -> bool {
        self.legs.iter().any(|leg| leg.unwanted)
    }

    /// Some answered leg has not ended.
    pub fn is_up(&self) -> bool {
        self.legs.iter().any(Leg::is_up)
    }

    /// The same, of a leg that the caller has heard of, or will before it can end.
    pub fn is_heard(&self) -> bool {
        let begins = self.phase == Phase::Answering;
        self.legs
            .iter()
            .any(|leg| leg.is_up() && (begins || leg.heard.is_some()))
    }

    /// Until when both ends of some leg are known to have been there; 0: in this run not at all.
    pub fn proved(&self) -> Nanos {
        let answered = self.legs.iter().filter(|leg| leg.confirmed);
        answered.map(Leg::proved).max().unwrap_or_default()
    }
}
