//! Events of calls that are up: what is kept of them has changed, an end is gone.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::event::{Loss, Side};
use crate::timer::Nanos;

#[pyclass(frozen, name = "Changed", module = "sipguard._engine")]
pub struct PyChanged {
    #[pyo3(get)]
    pub(super) call: u64,
    pub(super) dialog: Box<[u8]>,
    #[pyo3(get)]
    pub(super) answered: bool,
}

#[pyclass(frozen, name = "Unwanted", module = "sipguard._engine")]
pub struct PyUnwanted {
    #[pyo3(get)]
    pub(super) call: u64,
    pub(super) dialog: Box<[u8]>,
}

#[pymethods]
impl PyUnwanted {
    #[getter]
    fn dialog<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.dialog)
    }
}

#[pymethods]
impl PyChanged {
    #[getter]
    fn dialog<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.dialog)
    }
}

#[pyclass(frozen, name = "Lost", module = "sipguard._engine")]
pub struct PyLost {
    #[pyo3(get)]
    pub(super) call: u64,
    pub(super) side: Option<Side>,
    pub(super) how: Loss,
    #[pyo3(get)]
    pub(super) proved_ns: Nanos,
}

#[pymethods]
impl PyLost {
    #[getter]
    fn side(&self) -> Option<&'static str> {
        self.side.map(|side| match side {
            Side::Caller => "caller",
            Side::Callee => "callee",
        })
    }
    #[getter]
    fn how(&self) -> &'static str {
        match self.how {
            Loss::Refused(_) => "refused",
            Loss::Silent => "silent",
            Loss::NoAck => "no_ack",
            Loss::SessionExpired => "session_expired",
        }
    }
    #[getter]
    fn status(&self) -> u16 {
        match self.how {
            Loss::Refused(status) => status,
            Loss::Silent | Loss::NoAck | Loss::SessionExpired => 0,
        }
    }
}
