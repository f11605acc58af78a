//! Events as Python sees them: each holds its message and reads a field when it is asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::resolve::PyResolve;
use super::text;
use super::watch::{PyChanged, PyLost, PyUnwanted};
use crate::event::{Cause, Event, Side};
use crate::header::{element_spans, NameAddr};
use crate::message::{Message, Name, Span};
use crate::registration::{self, Asked, Contact};
use crate::transport::Flow;
use crate::{sdp, uri};

#[pyclass(frozen, name = "Invite", module = "sipguard._engine")]
pub struct PyInvite {
    #[pyo3(get)]
    call: u64,
    source: SocketAddr,
    message: Arc<Message>,
    certificate: Option<Arc<[String]>>,
}

impl PyInvite {
    fn span<'py>(&self, py: Python<'py>, span: Span) -> Bound<'py, PyString> {
        text(py, span.of(&self.message.bytes))
    }

    fn user<'py>(&self, py: Python<'py>, span: Span) -> Bound<'py, PyString> {
        let uri = uri::parse(span.of(&self.message.bytes));
        text(py, &uri.map_or_else(|_| Vec::new(), |uri| uri.number()))
    }
}

#[pymethods]
impl PyInvite {
    #[getter]
    fn source_host(&self) -> String {
        self.source.ip().to_string()
    }
    #[getter]
    fn source_port(&self) -> u16 {
        self.source.port()
    }
    #[getter]
    fn certificate(&self) -> Option<&[String]> {
        self.certificate.as_deref()
    }
    #[getter]
    fn request_uri<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.span(py, self.message.index.request_uri())
    }
    #[getter]
    fn request_user<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.user(py, self.message.index.request_uri())
    }
    #[getter]
    fn from_user<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.user(py, self.message.index.from.uri)
    }
    #[getter]
    fn asserted_user<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let Message { bytes, index } = self.message.as_ref();
        let first = index
            .first(Name::PAssertedIdentity)
            .and_then(|field| element_spans(bytes, field.value).next())
            .and_then(|element| NameAddr::parse(bytes, element).ok());
        self.user(py, first.map_or(Span::default(), |address| address.uri))
    }
    #[getter]
    fn sip_call_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.span(py, self.message.index.call_id)
    }
    #[getter]
    fn user_agent<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.span(
            py,
            self.message
                .index
                .first(Name::UserAgent)
                .map_or(Span::default(), |field| field.value),
        )
    }
    #[getter]
    fn codecs(&self) -> String {
        sdp::codecs(&self.message.bytes, &self.message.index)
    }
}

#[pyclass(frozen, name = "Request", module = "sipguard._engine")]
pub struct PyRequest {
    #[pyo3(get)]
    call: u64,
    flow: Flow,
    message: Arc<Message>,
}

#[pymethods]
impl PyRequest {
    #[getter]
    fn source_host(&self) -> String {
        self.flow.peer.ip().to_string()
    }
    #[getter]
    fn source_port(&self) -> u16 {
        self.flow.peer.port()
    }
    #[getter]
    fn method<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let span = self.message.index.method_name();
        text(py, span.of(&self.message.bytes))
    }
    #[getter]
    fn request_uri<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let span = self.message.index.request_uri();
        text(py, span.of(&self.message.bytes))
    }
    #[getter]
    fn listener(&self) -> u16 {
        self.flow.listener
    }
    #[getter]
    fn transport(&self) -> String {
        self.flow.transport.name().to_ascii_lowercase()
    }
    #[getter]
    fn stream(&self) -> u32 {
        self.flow.connection
    }
    #[getter]
    fn to_user<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let uri = uri::parse(self.message.index.to.uri.of(&self.message.bytes));
        text(py, &uri.map_or_else(|_| Vec::new(), |uri| uri.number()))
    }
    #[getter]
    fn sip_call_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text(py, self.message.index.call_id.of(&self.message.bytes))
    }
    #[getter]
    fn cseq(&self) -> u32 {
        self.message.index.cseq.number
    }
    #[getter]
    fn user_agent<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let field = self.message.index.first(Name::UserAgent);
        text(
            py,
            field.map_or(&[][..], |field| field.value.of(&self.message.bytes)),
        )
    }
    #[getter]
    fn expires(&self) -> Option<u32> {
        registration::expires(&self.message)
    }
    #[getter]
    fn path(&self) -> Vec<String> {
        strings(registration::path(&self.message))
    }
    #[getter]
    fn supported(&self) -> Vec<String> {
        strings(registration::supported(&self.message))
    }
    #[getter]
    fn is_wildcard(&self) -> bool {
        registration::asked(&self.message) == Asked::Wildcard
    }
    #[getter]
    fn contacts(&self) -> Option<Vec<PyContact>> {
        match registration::asked(&self.message) {
            Asked::Contacts(contacts) => Some(contacts.into_iter().map(PyContact::from).collect()),
            Asked::Wildcard => Some(Vec::new()),
            Asked::Malformed => None,
        }
    }
}

/// One contact of a REGISTER.
#[pyclass(frozen, get_all, name = "RegisterContact", module = "sipguard._engine")]
pub struct PyContact {
    uri: String,
    key: String,
    q: Option<u16>,
    expires: Option<u32>,
    instance: String,
    reg_id: Option<u32>,
}

impl From<Contact> for PyContact {
    fn from(contact: Contact) -> Self {
        PyContact {
            uri: string(contact.uri),
            key: string(contact.key),
            q: contact.q,
            expires: contact.expires,
            instance: string(contact.instance),
            reg_id: contact.reg_id,
        }
    }
}

fn string(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn strings(all: Vec<Vec<u8>>) -> Vec<String> {
    all.into_iter().map(string).collect()
}

#[pyclass(frozen, name = "Failed", module = "sipguard._engine")]
pub struct PyFailed {
    #[pyo3(get)]
    call: u64,
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    cancelled: bool,
    #[pyo3(get)]
    early_media: bool,
    #[pyo3(get)]
    ringing: Option<u64>,
    #[pyo3(get)]
    retry_after: Option<u32>,
    cause: Cause,
    reason: Box<[u8]>,
    contacts: Vec<Box<[u8]>>,
}

#[pymethods]
impl PyFailed {
    #[getter]
    fn cause(&self) -> &'static str {
        cause(self.cause)
    }
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text(py, &self.reason)
    }
    #[getter]
    fn contact_users<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyString>> {
        let users = self.contacts.iter().map(|uri| uri::parse(uri));
        users
            .map(|uri| text(py, &uri.map_or_else(|_| Vec::new(), |uri| uri.number())))
            .collect()
    }
}

#[pyclass(frozen, name = "Probed", module = "sipguard._engine")]
pub struct PyProbed {
    #[pyo3(get)]
    probe: u64,
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    retry_after: Option<u32>,
    cause: Cause,
}

#[pymethods]
impl PyProbed {
    #[getter]
    fn cause(&self) -> &'static str {
        cause(self.cause)
    }
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Response => "response",
        Cause::Timeout => "timeout",
        Cause::Transport => "transport",
    }
}

#[pyclass(frozen, name = "Answered", module = "sipguard._engine")]
pub struct PyAnswered {
    #[pyo3(get)]
    call: u64,
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    ringing: Option<u64>,
    #[pyo3(get)]
    codecs: String,
    user_agent: Box<[u8]>,
    dialog: Box<[u8]>,
}

#[pymethods]
impl PyAnswered {
    #[getter]
    fn user_agent<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text(py, &self.user_agent)
    }
    #[getter]
    fn dialog<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.dialog)
    }
}

#[pyclass(frozen, name = "Ended", module = "sipguard._engine")]
pub struct PyEnded {
    #[pyo3(get)]
    call: u64,
    by: Side,
    reason: Box<[u8]>,
}

#[pymethods]
impl PyEnded {
    #[getter]
    fn by(&self) -> &'static str {
        match self.by {
            Side::Caller => "caller",
            Side::Callee => "callee",
        }
    }
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text(py, &self.reason)
    }
}

/// The Python object of an event.
pub(super) fn event(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyAny>> {
    Ok(match event {
        Event::Invite {
            call,
            source,
            message,
            certificate,
        } => Bound::new(
            py,
            PyInvite {
                call,
                source,
                message,
                certificate,
            },
        )?
        .into_any(),
        Event::Request {
            call,
            flow,
            message,
        } => Bound::new(
            py,
            PyRequest {
                call,
                flow,
                message,
            },
        )?
        .into_any(),
        Event::Failed {
            call,
            status,
            cause,
            cancelled,
            early_media,
            ringing,
            reason,
            retry_after,
            contacts,
        } => Bound::new(
            py,
            PyFailed {
                call,
                status,
                cancelled,
                early_media,
                ringing,
                retry_after,
                cause,
                reason,
                contacts,
            },
        )?
        .into_any(),
        Event::Resolve(named) => Bound::new(py, PyResolve(named))?.into_any(),
        Event::Probed {
            probe,
            status,
            cause,
            retry_after,
        } => Bound::new(
            py,
            PyProbed {
                probe,
                status,
                retry_after,
                cause,
            },
        )?
        .into_any(),
        Event::Answered {
            call,
            status,
            ringing,
            codecs,
            user_agent,
            dialog,
        } => Bound::new(
            py,
            PyAnswered {
                call,
                status,
                ringing,
                codecs,
                user_agent,
                dialog,
            },
        )?
        .into_any(),
        Event::Ended { call, by, reason } => {
            Bound::new(py, PyEnded { call, by, reason })?.into_any()
        }
        Event::Changed {
            call,
            dialog,
            answered,
        } => Bound::new(
            py,
            PyChanged {
                call,
                dialog,
                answered,
            },
        )?
        .into_any(),
        Event::Unwanted { call, dialog } => Bound::new(py, PyUnwanted { call, dialog })?.into_any(),
        Event::Lost {
            call,
            side,
            how,
            proved,
        } => Bound::new(
            py,
            PyLost {
                call,
                side,
                how,
                proved_ns: proved,
            },
        )?
        .into_any(),
    })
}
