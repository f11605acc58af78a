//! An end of a call that is reached by a name.

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::text;
use crate::event::Named;

#[pyclass(frozen, name = "Resolve", module = "sipguard._engine")]
pub struct PyResolve(pub(super) Named);

#[pymethods]
impl PyResolve {
    #[getter]
    fn call(&self) -> u64 {
        self.0.call
    }
    #[getter]
    fn host<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text(py, &self.0.host)
    }
    #[getter]
    fn port(&self) -> Option<u16> {
        self.0.port
    }
    #[getter]
    fn transport(&self) -> Option<String> {
        self.0
            .transport
            .map(|transport| transport.name().to_ascii_lowercase())
    }
}
