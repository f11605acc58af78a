//! The engine with its sockets: what Python calls, one method for each order.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use super::digest::{authenticator, outcome};
use super::event::event;
use super::resolve::PyResolve;
use super::stream::order;
use super::tap::{network, PyTraced};
use super::target::{transport_of, PyCaller, PyTarget};
use super::{ip, text};
use crate::digest::Ha1;
use crate::endpoint::Endpoint;
use crate::overload::Overload;
use crate::print;
use crate::proxy::ping::Pings;
use crate::proxy::session::SessionTimers;
use crate::refusals::Refused;
use crate::stream::table::Limits;
use crate::timer::Nanos;
use crate::transport::{Flow, Listener, Outbox};
use crate::udp::{self, Reader};
use crate::worker::{Shared, Worker};

#[pyclass(frozen, get_all, name = "Stats", module = "sipguard._engine")]
pub struct PyStats {
    received: u64,
    sent: u64,
    malformed: u64,
    refused: u64,
    shed: u64,
    dropped: u64,
    transactions: usize,
    calls: usize,
    live: usize,
    streams: usize,
    overloaded: bool,
}

/// Requests of one kind that were refused without a word to policy.
#[pyclass(frozen, name = "Refused", module = "sipguard._engine")]
pub struct PyRefused(Refused);

#[pymethods]
impl PyRefused {
    #[getter]
    fn source_host(&self) -> String {
        self.0.source.to_string()
    }
    #[getter]
    fn method<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text(py, &self.0.method)
    }
    #[getter]
    fn status(&self) -> u16 {
        self.0.status
    }
    #[getter]
    fn count(&self) -> u64 {
        self.0.count
    }
    #[getter]
    fn sip_call_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text(py, &self.0.call_id)
    }
}

#[pyclass(frozen, name = "Engine", module = "sipguard._engine")]
pub struct PyEngine {
    shared: Arc<Shared>,
    /// Until it is the worker's.
    reader: Mutex<Option<Reader>>,
    worker: Mutex<Option<Worker>>,
    gather: Nanos,
}

/// Events of one `poll`: a few milliseconds of policy, after which what else the loop has to do gets its turn.
const EVENTS: usize = 128;

fn is_running() -> PyErr {
    PyRuntimeError::new_err("the engine was started already")
}

/// Header lines of a refusal: Reason (RFC 3326) and Retry-After. Line ends are taken out of `reason`, so
/// that no text can add a header.
fn extra(reason: Option<&str>, retry_after: Option<u32>) -> Vec<u8> {
    let mut lines = Vec::new();
    if let Some(reason) = reason {
        lines.extend_from_slice(b"Reason: ");
        lines.extend(one_line(reason).bytes());
        lines.extend_from_slice(b"\r\n");
    }
    if let Some(seconds) = retry_after {
        lines.extend_from_slice(format!("Retry-After: {seconds}\r\n").as_bytes());
    }
    lines
}

fn one_line(value: &str) -> String {
    value.chars().filter(|char| !char.is_control()).collect()
}

impl PyEngine {
    /// For the threads of the engine's own.
    pub(super) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }
}

#[pymethods]
impl PyEngine {
    #[new]
    #[pyo3(signature = (*, epoch, seed, server_name="sipguard", now=0, gather_us=0))]
    fn new(epoch: u64, seed: &[u8], server_name: &str, now: u64, gather_us: u64) -> PyResult<Self> {
        let seed: &[u8; 32] = seed
            .try_into()
            .map_err(|_| PyValueError::new_err("seed: 32 bytes wanted"))?;
        if epoch >= 1 << 22 {
            return Err(PyValueError::new_err("epoch: less than 2**22 wanted"));
        }
        let mut endpoint = Endpoint::new(epoch, seed, now);
        endpoint.set_server_name(&one_line(server_name));
        Ok(PyEngine {
            shared: Arc::new(Shared::new(endpoint)?),
            reader: Mutex::new(Some(Reader::new()?)),
            worker: Mutex::new(None),
            gather: gather_us.saturating_mul(1000),
        })
    }

    #[pyo3(signature = (host, port, advertise_host=None, advertise_port=None, udp=true, tls=false))]
    fn listen(
        &self,
        host: &str,
        port: u16,
        advertise_host: Option<&str>,
        advertise_port: Option<u16>,
        udp: bool,
        tls: bool,
    ) -> PyResult<u16> {
        let ip = ip(host)?;
        let advertise = advertise_host
            .or(advertise_port.map(|_| host))
            .map(|name| (name, advertise_port.unwrap_or(port)));
        let addr = SocketAddr::new(ip, port);
        let (socket, listener) = if udp {
            let (socket, listener) = udp::bind(addr, advertise)?;
            (Some(socket), listener)
        } else {
            (None, udp::without(addr, advertise))
        };
        let mut reader = self.reader.lock();
        let reader = reader.as_mut().ok_or_else(is_running)?;
        reader.add(socket.clone())?;
        self.shared.add_socket(socket);
        let listener = Listener { tls, ..listener };
        Ok(self.shared.endpoint().add_listener(listener))
    }

    fn start(&self) -> PyResult<i32> {
        let reader = self.reader.lock().take().ok_or_else(is_running)?;
        let worker = Worker::start(self.shared.clone(), reader, self.gather)?;
        *self.worker.lock() = Some(worker);
        Ok(self.shared.policy.fd())
    }

    fn stop(&self, py: Python<'_>) {
        let worker = self.worker.lock().take();
        py.detach(|| drop(worker));
    }

    #[pyo3(signature = (
        total, per_source, message_seconds, idle_seconds, handshakes=256, handshake_seconds=5,
    ))]
    fn limit_streams(
        &self,
        total: usize,
        per_source: usize,
        message_seconds: u64,
        idle_seconds: u64,
        handshakes: usize,
        handshake_seconds: u64,
    ) {
        self.shared.endpoint().set_stream_limits(Limits {
            total,
            per_source,
            message: message_seconds.saturating_mul(1_000_000_000),
            idle: idle_seconds.saturating_mul(1_000_000_000),
            handshakes,
            handshake: handshake_seconds.saturating_mul(1_000_000_000),
        });
    }

    fn control_overload(&self, delay_ms: u64, emergency_numbers: Vec<String>) {
        let numbers = emergency_numbers.into_iter().map(String::into_bytes);
        self.shared
            .endpoint()
            .set_overload(Overload::new(delay_ms.saturating_mul(1_000_000), numbers));
    }

    fn ping_calls(&self, interval_seconds: u32, per_second: u32, restored_seconds: u32) {
        self.shared.endpoint().set_pings(Pings::new(
            u64::from(interval_seconds) * 1_000_000_000,
            per_second,
            u64::from(restored_seconds) * 1_000_000_000,
        ));
    }

    fn session_timers(&self, expires_seconds: u32, min_se_seconds: u32) {
        self.shared.endpoint().set_session_timers(SessionTimers {
            expires: expires_seconds,
            min_se: min_se_seconds,
        });
    }

    fn is_up(&self, call: u64) -> bool {
        self.shared.endpoint().is_up(call)
    }

    fn proved(&self, call: u64) -> u64 {
        self.shared.endpoint().proved(call)
    }

    fn switch_to_tcp_above(&self, bytes: usize) {
        self.shared.endpoint().set_tcp_above(bytes);
    }

    fn stream_accepted(&self, listener: u16, host: &str, port: u16, now: u64) -> u32 {
        match host.parse() {
            Ok(ip) => {
                self.shared
                    .endpoint()
                    .stream_accepted(now, listener, SocketAddr::new(ip, port))
            }
            Err(_) => 0,
        }
    }

    #[pyo3(signature = (stream, now, certificate=None))]
    fn stream_secured(&self, stream: u32, now: u64, certificate: Option<Vec<String>>) {
        self.shared
            .endpoint()
            .stream_secured(now, stream, certificate.map(Into::into));
    }

    fn stream_connected(&self, stream: u32, now: u64) {
        self.shared.endpoint().stream_connected(now, stream);
    }

    fn stream_received(&self, stream: u32, data: &[u8], now: u64) {
        self.shared.endpoint().stream_received(now, stream, data);
    }

    fn stream_finished(&self, stream: u32, now: u64) -> bool {
        self.shared.endpoint().stream_finished(now, stream)
    }

    fn stream_closed(&self, stream: u32, now: u64) {
        self.shared.endpoint().stream_closed(now, stream);
    }

    fn stream_orders<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let orders = PyList::empty(py);
        for next in self.shared.endpoint().stream_orders() {
            orders.append(order(py, next)?)?;
        }
        Ok(orders)
    }

    fn poll<'py>(&self, py: Python<'py>, now: u64) -> PyResult<Bound<'py, PyList>> {
        self.shared.policy.clear();
        let (waiting, more) = {
            let mut endpoint = self.shared.endpoint();
            endpoint.advance(now);
            endpoint.take_events(EVENTS)
        };
        if more {
            self.shared.policy.raise();
        }
        let events = PyList::empty(py);
        for next in waiting {
            events.append(event(py, next)?)?;
        }
        Ok(events)
    }

    fn add_listener(&self, host: &str, port: u16) -> u16 {
        self.shared
            .endpoint()
            .add_listener(Listener::new(host, port))
    }

    fn receive(&self, now: u64, listener: u16, host: &str, port: u16, data: &[u8]) -> PyResult<()> {
        let peer = SocketAddr::new(ip(host)?, port);
        self.shared
            .endpoint()
            .receive(now, Flow::udp(listener, peer), data);
        Ok(())
    }

    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let taken = PyList::empty(py);
        let mut outbox = Outbox::default();
        self.shared.endpoint().take_datagrams(&mut outbox);
        for (flow, bytes) in outbox.iter() {
            let (host, port) = (flow.peer.ip().to_string(), flow.peer.port());
            taken.append((flow.listener, host, port, PyBytes::new(py, bytes)))?;
        }
        Ok(taken)
    }

    fn deadline(&self) -> Option<u64> {
        self.shared.endpoint().deadline()
    }

    fn flush(&self) {
        self.shared.flush();
    }

    fn trace(&self, limit_bytes: usize) {
        self.shared.endpoint().trace(limit_bytes);
    }

    fn trace_call(&self, sip_call_id: &str) {
        self.shared.endpoint().trace_call(sip_call_id.as_bytes());
    }

    fn trace_peers(&self, networks: Vec<String>, everything: bool) -> PyResult<()> {
        let networks = networks
            .iter()
            .map(|text| network(text))
            .collect::<PyResult<_>>()?;
        self.shared.endpoint().trace_peers(networks, everything);
        Ok(())
    }

    fn traced<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyList>, u64)> {
        let (records, dropped) = self.shared.endpoint().traced();
        let traced = PyList::empty(py);
        for record in records {
            traced.append(Bound::new(py, PyTraced(record))?)?;
        }
        Ok((traced, dropped))
    }

    fn ask_requests(&self, ask: bool) {
        self.shared.endpoint().ask_requests(ask);
    }

    #[pyo3(signature = (call, target, user, trusted=false, caller=None, beside=None))]
    fn forward(
        &self,
        call: u64,
        target: &PyTarget,
        user: Option<&str>,
        trusted: bool,
        caller: Option<&PyCaller>,
        beside: Option<Vec<PyRef<'_, PyTarget>>>,
    ) -> bool {
        let user = user.map(one_line);
        let caller = caller.map(|caller| &caller.0);
        let beside = beside.unwrap_or_default();
        let mut endpoint = self.shared.endpoint();
        if beside.is_empty() {
            return endpoint.forward_for(call, &target.0, user.as_deref(), trusted, caller);
        }
        let targets: Vec<_> = std::iter::once(&target.0)
            .chain(beside.iter().map(|other| &other.0))
            .collect();
        endpoint.fork(call, &targets, user.as_deref(), trusted, caller)
    }

    fn resolve_names(&self, ask: bool) {
        self.shared.endpoint().resolve_names(ask);
    }

    fn resolved(
        &self,
        event: &PyResolve,
        transport: &str,
        host: &str,
        port: u16,
        now: u64,
    ) -> PyResult<bool> {
        let peer = SocketAddr::new(ip(host)?, port);
        let transport = transport_of(transport)?;
        let mut endpoint = self.shared.endpoint();
        endpoint.set_now(now);
        Ok(endpoint.resolved(&event.0, transport, peer))
    }

    fn probe(&self, probe: u64, target: &PyTarget, now: u64) {
        let mut endpoint = self.shared.endpoint();
        endpoint.set_now(now);
        endpoint.probe(probe, &target.0);
    }

    #[pyo3(signature = (call, status, phrase, reason=None, retry_after=None))]
    fn reject(
        &self,
        call: u64,
        status: u16,
        phrase: &str,
        reason: Option<&str>,
        retry_after: Option<u32>,
    ) -> bool {
        self.shared
            .endpoint()
            .reject(call, status, &one_line(phrase), &extra(reason, retry_after))
    }

    fn respond(
        &self,
        call: u64,
        status: u16,
        phrase: &str,
        headers: Vec<(String, String)>,
    ) -> bool {
        let mut lines = Vec::new();
        for (name, value) in headers {
            print::header(
                &mut lines,
                one_line(&name).as_bytes(),
                one_line(&value).as_bytes(),
            );
        }
        self.shared
            .endpoint()
            .reject(call, status, &one_line(phrase), &lines)
    }

    fn ask_registers(&self, ask: bool) {
        self.shared.endpoint().ask_registers(ask);
    }

    fn keep_alive(&self, target: &PyTarget) {
        self.shared.endpoint().keep_alive(&target.0);
    }

    fn require_credentials(
        &self,
        realm: &str,
        key: &[u8],
        algorithms: Vec<String>,
        nonce_seconds: u64,
    ) -> PyResult<()> {
        let authenticator = authenticator(realm, key, &algorithms, nonce_seconds)?;
        self.shared.endpoint().set_authenticator(authenticator);
        Ok(())
    }

    fn credentials_user<'py>(&self, py: Python<'py>, call: u64) -> Option<Bound<'py, PyString>> {
        self.shared
            .endpoint()
            .credentials_user(call)
            .map(|user| text(py, &user))
    }

    fn authenticate(
        &self,
        call: u64,
        md5: &str,
        sha256: &str,
        sha512_256: &str,
        unix_ms: u64,
    ) -> &'static str {
        let ha1 = Ha1 {
            md5: md5.as_bytes(),
            sha256: sha256.as_bytes(),
            sha512_256: sha512_256.as_bytes(),
        };
        outcome(self.shared.endpoint().authenticate(call, ha1, unix_ms))
    }

    #[pyo3(signature = (call, unix_ms, stale=false))]
    fn challenge(&self, call: u64, unix_ms: u64, stale: bool) -> bool {
        self.shared.endpoint().challenge(call, stale, unix_ms)
    }

    fn finish(&self, call: u64) -> u16 {
        self.shared.endpoint().finish(call)
    }

    fn release(&self, call: u64, now: u64) -> bool {
        self.shared.endpoint().set_now(now);
        self.shared.endpoint().release(call)
    }

    fn release_fork(&self, call: u64, now: u64) -> bool {
        self.shared.endpoint().set_now(now);
        self.shared.endpoint().release_fork(call)
    }

    fn hangup(&self, call: u64, reason: &str, now: u64) -> bool {
        self.shared.endpoint().set_now(now);
        self.shared.endpoint().hangup(call, &one_line(reason))
    }

    #[pyo3(signature = (call, status, phrase, now, reason=None))]
    fn cancel(&self, call: u64, status: u16, phrase: &str, now: u64, reason: Option<&str>) -> bool {
        self.shared.endpoint().set_now(now);
        let extra = extra(reason, None);
        self.shared
            .endpoint()
            .cancel(call, status, &one_line(phrase), &extra)
    }

    fn restore(&self, call: u64, dialog: &[u8]) -> bool {
        self.shared.endpoint().restore(call, dialog)
    }

    fn take_refusals(&self) -> (Vec<PyRefused>, u64) {
        let (kinds, rest) = self.shared.endpoint().refusals.take();
        (kinds.into_iter().map(PyRefused).collect(), rest)
    }

    fn stats(&self) -> PyStats {
        let endpoint = self.shared.endpoint();
        let counters = endpoint.counters;
        let (transactions, calls, live) = endpoint.sizes();
        PyStats {
            received: counters.received,
            sent: counters.sent,
            malformed: counters.malformed,
            refused: counters.refused,
            shed: counters.shed,
            dropped: counters.dropped,
            transactions,
            calls,
            live,
            streams: endpoint.streams(),
            overloaded: endpoint.is_overloaded(),
        }
    }
}
