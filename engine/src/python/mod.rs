//! The crossing to Python (sipguard/_engine.pyi is its contract). The only folder that names PyO3.
//!
//! One crossing per batch; events hold the message and read a field when it is asked for.
#![allow(missing_docs)] // documented where Python reads it, in sipguard/_engine.pyi

use std::net::IpAddr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

mod appender;
mod digest;
mod engine;
mod event;
mod prefix;
mod prefix_book;
mod resolve;
mod stream;
mod tap;
mod target;
mod watch;

fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, &String::from_utf8_lossy(bytes))
}

fn ip(host: &str) -> PyResult<IpAddr> {
    host.parse()
        .map_err(|_| PyValueError::new_err(format!("not an IP address: {host:?}")))
}

#[pymodule(name = "_engine")]
mod module {
    #[pymodule_export]
    use super::appender::PyAppender;
    #[pymodule_export]
    use super::engine::{PyEngine, PyRefused, PyStats};
    #[pymodule_export]
    use super::event::{PyAnswered, PyContact, PyEnded, PyFailed, PyInvite, PyProbed, PyRequest};
    #[pymodule_export]
    use super::prefix::PyPrefixMap;
    #[pymodule_export]
    use super::prefix_book::{PyPrefixBook, PyPrefixRows, PyPrefixSheet};
    #[pymodule_export]
    use super::resolve::PyResolve;
    #[pymodule_export]
    use super::stream::{PyStreamClose, PyStreamConnect, PyStreamSend};
    #[pymodule_export]
    use super::tap::PyTraced;
    #[pymodule_export]
    use super::target::{PyCaller, PyTarget};
    #[pymodule_export]
    use super::watch::{PyChanged, PyLost, PyUnwanted};
}
