//! Rows found by the longest prefix, in books that change sheet by sheet. The lock of the interpreter is given
//! up while a book is made.

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::prefix_book::{Book, Group, Rows, Sheet};

#[pyclass(name = "PrefixRows", module = "sipguard._engine")]
pub struct PyPrefixRows(Option<Rows>);

impl PyPrefixRows {
    fn rows(&self) -> PyResult<&Rows> {
        self.0.as_ref().ok_or_else(taken)
    }
}

fn taken() -> PyErr {
    PyValueError::new_err("these rows are in a book already")
}

#[pymethods]
impl PyPrefixRows {
    fn add(&mut self, rows: Vec<PyBackedStr>) -> PyResult<()> {
        let into = self.0.as_mut().ok_or_else(taken)?;
        for row in rows {
            into.add(&row).map_err(PyValueError::new_err)?;
        }
        Ok(())
    }

    fn shapes(&self) -> PyResult<Vec<(String, i64)>> {
        let shapes = self.rows()?.shapes();
        Ok(shapes
            .into_iter()
            .map(|(shape, key)| (shape.to_string(), key))
            .collect())
    }

    fn spaces(&self) -> PyResult<Vec<u64>> {
        Ok(self.rows()?.spaces())
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.rows()?.len())
    }
}

#[pyclass(frozen, name = "PrefixBook", module = "sipguard._engine")]
pub struct PyPrefixBook(Book);

/// A large book takes long to give back, and nobody has to wait for it.
impl Drop for PyPrefixBook {
    fn drop(&mut self) {
        if self.0.is_large_and_alone() {
            let book = std::mem::take(&mut self.0);
            // Where there is no thread to be had, it is given back here.
            let _ = std::thread::Builder::new().spawn(move || drop(book));
        }
    }
}

#[pymethods]
impl PyPrefixBook {
    #[new]
    fn new() -> Self {
        PyPrefixBook(Book::default())
    }

    fn rows(&self) -> PyPrefixRows {
        PyPrefixRows(Some(self.0.rows()))
    }

    fn patched(
        &self,
        py: Python<'_>,
        cleared: Vec<u64>,
        gone: Vec<(u64, i64)>,
        rows: &mut PyPrefixRows,
    ) -> PyResult<PyPrefixBook> {
        let rows = rows.0.take().ok_or_else(taken)?;
        Ok(PyPrefixBook(
            py.detach(|| self.0.patched(&cleared, &gone, rows)),
        ))
    }

    fn sheet(&self, space: u64) -> Option<PyPrefixSheet> {
        self.0.sheet(space).map(PyPrefixSheet)
    }

    fn spaces(&self) -> Vec<u64> {
        self.0.spaces()
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}

#[pyclass(frozen, name = "PrefixSheet", module = "sipguard._engine")]
pub struct PyPrefixSheet(Sheet);

impl PyPrefixSheet {
    /// Less than -1 where more has to be asked of the rows.
    fn signed(&self, group: Group) -> i64 {
        let at = group.0 as i64;
        if self.0.is_plain(group) {
            at
        } else {
            -2 - at
        }
    }
}

#[pymethods]
impl PyPrefixSheet {
    fn longest(&self, digits: &str) -> i64 {
        self.0
            .longest(digits.as_bytes())
            .map_or(-1, |group| self.signed(group))
    }

    fn value(&self, digits: &str) -> i64 {
        self.0
            .longest(digits.as_bytes())
            .map_or(-1, |group| self.0.value(group))
    }

    fn all(&self, digits: &str) -> Vec<(usize, usize)> {
        self.0.all(digits.as_bytes()).collect()
    }

    fn has(&self, value: i64) -> bool {
        self.0.has(value)
    }

    fn row(&self, at: usize) -> PyResult<(i64, String, i64, String, String)> {
        let told = self
            .0
            .row(at)
            .ok_or_else(|| PyIndexError::new_err("no such row in the sheet"))?;
        Ok((
            told.key,
            told.prefix,
            told.value,
            told.shape.to_string(),
            told.label.to_string(),
        ))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}
