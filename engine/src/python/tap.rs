//! What the tap has copied, as Python reads it.

use std::net::IpAddr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::{ip, text};
use crate::tap::Traced;
use crate::transport::Transport;

#[pyclass(frozen, name = "Traced", module = "sipguard._engine")]
pub struct PyTraced(pub(super) Traced);

#[pymethods]
impl PyTraced {
    #[getter]
    fn at_ns(&self) -> u64 {
        self.0.at
    }
    #[getter]
    fn incoming(&self) -> bool {
        self.0.incoming
    }
    #[getter]
    fn listener(&self) -> u16 {
        self.0.flow.listener
    }
    #[getter]
    fn transport(&self) -> &'static str {
        match self.0.flow.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }
    #[getter]
    fn host(&self) -> String {
        self.0.flow.peer.ip().to_string()
    }
    #[getter]
    fn port(&self) -> u16 {
        self.0.flow.peer.port()
    }
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.bytes)
    }
    #[getter]
    fn sip_call_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text(py, &self.0.call_id)
    }
}

/// A network in CIDR form, or an address.
pub fn network(text: &str) -> PyResult<(IpAddr, u8)> {
    let (host, bits) = text.split_once('/').unwrap_or((text, "128"));
    let bits = bits
        .parse()
        .map_err(|_| PyValueError::new_err(format!("not a network: {text:?}")))?;
    Ok((ip(host)?, bits))
}
