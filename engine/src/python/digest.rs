//! Digest authentication: what is asked for, and what became of the answer.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::digest::{Algorithm, Authenticator, Outcome};

pub(super) fn authenticator(
    realm: &str,
    key: &[u8],
    algorithms: &[String],
    nonce_seconds: u64,
) -> PyResult<Authenticator> {
    let key: &[u8; 32] = key
        .try_into()
        .map_err(|_| PyValueError::new_err("key: 32 bytes wanted"))?;
    let plain = |char: char| char != '"' && char != '\\' && !char.is_control();
    if realm.is_empty() || !realm.chars().all(plain) {
        return Err(PyValueError::new_err(format!(
            "realm: text without quotes, backslashes and control characters wanted, not {realm:?}"
        )));
    }
    let mut offered = Vec::new();
    for name in algorithms {
        let algorithm = Algorithm::from_name(name.as_bytes()).ok_or_else(|| {
            PyValueError::new_err(format!("not SHA-512-256, SHA-256 or MD5: {name:?}"))
        })?;
        offered.push(algorithm);
    }
    if offered.is_empty() {
        return Err(PyValueError::new_err("algorithms: at least one wanted"));
    }
    let lifetime_ms = nonce_seconds.saturating_mul(1000);
    Ok(Authenticator::new(realm, key, &offered, lifetime_ms))
}

/// Its name in Python.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Missing => "missing",
        Outcome::Malformed => "malformed",
        Outcome::Stale => "stale",
        Outcome::Replayed => "replayed",
        Outcome::Wrong => "wrong",
        Outcome::Right => "right",
    }
}
