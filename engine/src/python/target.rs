//! Where a call is forwarded to.

use std::net::SocketAddr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::ip;
use crate::proxy::command::{Contact, Target};
use crate::proxy::identity::Caller;
use crate::transport::Transport;
use crate::uri;

#[pyclass(frozen, name = "Target", module = "sipguard._engine")]
pub struct PyTarget(pub(super) Target);

#[pymethods]
impl PyTarget {
    #[new]
    #[pyo3(signature = (
        host, port, *, listener=0, transport="udp", answer_timeout_ms=4000, ring_timeout_ms=181_000,
        dials_by_to=false, takes_refer=false, domain=None, gateway=0, trusted=false,
        hides_topology=false, hides_call_id=false,
    ))]
    #[allow(clippy::too_many_arguments)] // keywords in Python
    fn new(
        host: &str,
        port: u16,
        listener: u16,
        transport: &str,
        answer_timeout_ms: u64,
        ring_timeout_ms: u64,
        dials_by_to: bool,
        takes_refer: bool,
        domain: Option<&str>,
        gateway: u32,
        trusted: bool,
        hides_topology: bool,
        hides_call_id: bool,
    ) -> PyResult<Self> {
        let ip = ip(host)?;
        let transport = transport_of(transport)?;
        let peer = SocketAddr::new(ip, port);
        if let Some(name) = domain.filter(|name| !is_domain(name)) {
            return Err(PyValueError::new_err(format!("not a host name: {name:?}")));
        }
        Ok(PyTarget(Target {
            peer,
            host: domain.map_or_else(|| peer.to_string(), str::to_owned),
            listener,
            transport,
            answer_timeout: answer_timeout_ms.saturating_mul(1_000_000),
            ring_timeout: ring_timeout_ms.saturating_mul(1_000_000),
            dials_by_to,
            takes_refer,
            gateway,
            trusted,
            hides_topology,
            hides_call_id,
            contact: None,
        }))
    }

    #[staticmethod]
    #[pyo3(signature = (
        uri, host, port, *, routes="", listener=0, transport="udp", stream=0, answer_timeout_ms=4000,
        ring_timeout_ms=181_000,
    ))]
    #[allow(clippy::too_many_arguments)] // keywords in Python
    fn registered(
        uri: &str,
        host: &str,
        port: u16,
        routes: &str,
        listener: u16,
        transport: &str,
        stream: u32,
        answer_timeout_ms: u64,
        ring_timeout_ms: u64,
    ) -> PyResult<Self> {
        let plain = |text: &str| text.chars().all(|char| !char.is_control() && char != ' ');
        if !plain(uri) || uri::parse(uri.as_bytes()).is_err() {
            return Err(PyValueError::new_err(format!("not a URI: {uri:?}")));
        }
        if routes.chars().any(char::is_control) {
            return Err(PyValueError::new_err(format!(
                "not a Route value: {routes:?}"
            )));
        }
        let made = Self::new(
            host,
            port,
            listener,
            transport,
            answer_timeout_ms,
            ring_timeout_ms,
            false,
            false,
            None,
            0,
            false,
            false,
            false,
        )?;
        Ok(PyTarget(Target {
            contact: Some(Contact {
                uri: uri.to_owned(),
                routes: routes.to_owned(),
                connection: stream,
            }),
            // Transfer: what a phone calls because of a REFER comes to us, to be judged as its own call.
            takes_refer: true,
            ..made.0
        }))
    }
}

#[pyclass(frozen, name = "Caller", module = "sipguard._engine")]
pub struct PyCaller(pub(super) Caller);

#[pymethods]
impl PyCaller {
    #[new]
    #[pyo3(signature = (user, *, keeps_name=true, asserted=None, by_remote_party=false))]
    fn new(
        user: Option<String>,
        keeps_name: bool,
        asserted: Option<String>,
        by_remote_party: bool,
    ) -> PyResult<Self> {
        for text in [&user, &asserted].into_iter().flatten() {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-_.".contains(&byte);
            if !text.bytes().all(plain) {
                return Err(PyValueError::new_err(format!("not a user part: {text:?}")));
            }
        }
        Ok(PyCaller(Caller {
            user,
            keeps_name,
            asserted,
            by_remote_party,
        }))
    }
}

/// A host name, with or without a port: nothing else of a URI, which could carry other parts into the request.
fn is_domain(name: &str) -> bool {
    let text = format!("sip:{name}");
    let host = name.split(':').next().unwrap_or_default();
    uri::parse(text.as_bytes()).is_ok_and(|uri| uri.user.is_none() && uri.host == host.as_bytes())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte))
}

pub(super) fn transport_of(name: &str) -> PyResult<Transport> {
    Transport::from_param(name.as_bytes())
        .ok_or_else(|| PyValueError::new_err(format!("not udp, tcp or tls: {name:?}")))
}
