//! The appender of the redo log as Python has it.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::engine::PyEngine;
use crate::redo::appender::{Appender, Segment};

#[pyclass(frozen, name = "Appender", module = "sipguard._engine")]
pub struct PyAppender(Appender);

#[pymethods]
impl PyAppender {
    #[new]
    fn new(engine: Option<&PyEngine>, window_us: u64, most: u32) -> PyResult<Self> {
        let engine = engine.map(PyEngine::shared);
        let window = Duration::from_micros(window_us);
        Ok(PyAppender(Appender::start(engine, window, most.max(1))?))
    }

    fn push(&self, records: &[u8], releases: Vec<u64>, tell: bool) -> PyResult<()> {
        if self.0.push(records, releases, tell) {
            Ok(())
        } else {
            Err(PyValueError::new_err(
                "records: a MessagePack array is wanted",
            ))
        }
    }

    fn hurry(&self) {
        self.0.hurry();
    }

    fn resume(
        &self,
        path: PathBuf,
        sequence: u64,
        end: u64,
        limit: u64,
        seed: u32,
    ) -> PyResult<()> {
        let file = File::options().write(true).open(path)?;
        self.0.resume(Segment {
            file,
            sequence,
            end,
            limit,
            seed,
        });
        Ok(())
    }

    fn trouble(&self, py: Python<'_>) -> Option<(u32, u64, u64, i32)> {
        py.detach(|| self.0.trouble())
            .map(|told| (told.records, told.sequence, told.end, told.error))
    }

    fn appended(&self, py: Python<'_>, records: u32, sequence: u64, bytes: u64) {
        py.detach(|| self.0.appended(records, sequence, bytes));
    }

    fn groups(&self, sequence: u64) -> Vec<(u64, u32, u64)> {
        let groups = self.0.groups(sequence).into_iter();
        let told = groups.map(|group| (group.sequence, group.records, group.bytes));
        told.collect()
    }

    #[pyo3(signature = (sequence, enough, seconds=None))]
    fn wait(
        &self,
        py: Python<'_>,
        sequence: u64,
        enough: u64,
        seconds: Option<f64>,
    ) -> PyResult<()> {
        let timeout = seconds
            .map(Duration::try_from_secs_f64)
            .transpose()
            .map_err(|error| PyValueError::new_err(format!("seconds: {error}")))?;
        py.detach(|| self.0.wait(sequence, enough, timeout));
        Ok(())
    }

    fn interrupt(&self) {
        self.0.interrupt();
    }

    fn applied(&self, sequence: u64) {
        self.0.applied(sequence);
    }

    fn behind(&self) -> (f64, u64) {
        let (age, bytes) = self.0.behind();
        (age as f64 / 1e9, bytes)
    }

    fn counts(&self) -> (u64, u64) {
        self.0.counts()
    }

    fn end(&self) -> u64 {
        self.0.end()
    }

    fn fileno(&self) -> i32 {
        self.0.fd()
    }

    fn clear(&self) {
        self.0.clear();
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}
