//! Where a call is forwarded to.

use std::net::SocketAddr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::ip;
use crate::proxy::command::Target;
use crate::transport::Transport;

#[pyclass(frozen, name = "Target", module = "sipguard._engine")]
pub struct PyTarget(pub(super) Target);

#[pymethods]
impl PyTarget {
    #[new]
    #[pyo3(signature = (
        host, port, *, listener=0, transport="udp", answer_timeout_ms=4000, ring_timeout_ms=181_000,
        dials_by_to=false, takes_refer=false,
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
    ) -> PyResult<Self> {
        let ip = ip(host)?;
        let transport = Transport::from_param(transport.as_bytes())
            .ok_or_else(|| PyValueError::new_err(format!("not udp or tcp: {transport:?}")))?;
        let peer = SocketAddr::new(ip, port);
        Ok(PyTarget(Target {
            peer,
            host: peer.to_string(),
            listener,
            transport,
            answer_timeout: answer_timeout_ms.saturating_mul(1_000_000),
            ring_timeout: ring_timeout_ms.saturating_mul(1_000_000),
            dials_by_to,
            takes_refer,
        }))
    }
}
