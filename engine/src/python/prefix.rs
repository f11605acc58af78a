//! Longest match over digit prefixes.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::prefix::PrefixMap;

#[pyclass(frozen, name = "PrefixMap", module = "sipguard._engine")]
pub struct PyPrefixMap(PrefixMap);

#[pymethods]
impl PyPrefixMap {
    #[new]
    fn new(spaces: Vec<u64>, prefixes: Vec<PyBackedStr>, values: Vec<u32>) -> PyResult<Self> {
        PrefixMap::build(
            &spaces,
            prefixes.iter().map(|prefix| prefix.as_bytes()),
            &values,
        )
        .map(PyPrefixMap)
        .map_err(|error| PyValueError::new_err(format!("row {}: {}", error.row, error.what)))
    }

    fn longest(&self, space: u64, digits: &str) -> i64 {
        self.0
            .longest(space, digits.as_bytes())
            .map_or(-1, i64::from)
    }

    fn all(&self, space: u64, digits: &str) -> Vec<u32> {
        self.0.all(space, digits.as_bytes()).collect()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}
