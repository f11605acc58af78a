//! Orders for the connections that asyncio owns.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::stream::table::Order;
use crate::transport::Transport;

#[pyclass(frozen, get_all, name = "StreamConnect", module = "sipguard._engine")]
pub struct PyStreamConnect {
    stream: u32,
    listener: u16,
    host: String,
    port: u16,
    tls: bool,
    gateway: u32,
}

#[pyclass(frozen, name = "StreamSend", module = "sipguard._engine")]
pub struct PyStreamSend {
    #[pyo3(get)]
    stream: u32,
    data: Vec<u8>,
}

#[pymethods]
impl PyStreamSend {
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.data)
    }
}

#[pyclass(frozen, get_all, name = "StreamClose", module = "sipguard._engine")]
pub struct PyStreamClose {
    stream: u32,
}

/// The Python object of an order.
pub(super) fn order(py: Python<'_>, order: Order) -> PyResult<Bound<'_, PyAny>> {
    Ok(match order {
        Order::Connect {
            stream,
            listener,
            transport,
            gateway,
            peer,
        } => {
            let (host, port) = (peer.ip().to_string(), peer.port());
            let connect = PyStreamConnect {
                stream,
                listener,
                host,
                port,
                tls: transport == Transport::Tls,
                gateway,
            };
            Bound::new(py, connect)?.into_any()
        }
        Order::Send { stream, bytes } => Bound::new(
            py,
            PyStreamSend {
                stream,
                data: bytes,
            },
        )?
        .into_any(),
        Order::Close { stream } => Bound::new(py, PyStreamClose { stream })?.into_any(),
    })
}
