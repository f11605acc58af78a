//! The engine with its sockets: what Python calls, one method for each order.

use std::net::SocketAddr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::event::event;
use super::ip;
use super::stream::order;
use super::target::PyTarget;
use crate::endpoint::Endpoint;
use crate::stream::table::Limits;
use crate::transport::{Flow, Listener};
use crate::udp::Udp;

#[pyclass(frozen, get_all, name = "Stats", module = "sipguard._engine")]
pub struct PyStats {
    received: u64,
    sent: u64,
    malformed: u64,
    refused: u64,
    dropped: u64,
    transactions: usize,
    calls: usize,
    live: usize,
    streams: usize,
}

#[pyclass(name = "Engine", module = "sipguard._engine")]
pub struct PyEngine {
    endpoint: Endpoint,
    udp: Udp,
    now: u64,
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
            endpoint,
            udp: Udp::new(gather_us.saturating_mul(1000))?,
            now,
        })
    }

    #[pyo3(signature = (host, port, advertise_host=None, advertise_port=None, udp=true))]
    fn listen(
        &mut self,
        host: &str,
        port: u16,
        advertise_host: Option<&str>,
        advertise_port: Option<u16>,
        udp: bool,
    ) -> PyResult<u16> {
        let ip = ip(host)?;
        let advertise = advertise_host
            .or(advertise_port.map(|_| host))
            .map(|name| (name, advertise_port.unwrap_or(port)));
        let addr = SocketAddr::new(ip, port);
        if !udp {
            return Ok(self.udp.listen_without(&mut self.endpoint, addr, advertise));
        }
        Ok(self.udp.listen(&mut self.endpoint, addr, advertise)?)
    }

    fn limit_streams(
        &mut self,
        total: usize,
        per_source: usize,
        message_seconds: u64,
        idle_seconds: u64,
    ) {
        self.endpoint.set_stream_limits(Limits {
            total,
            per_source,
            message: message_seconds.saturating_mul(1_000_000_000),
            idle: idle_seconds.saturating_mul(1_000_000_000),
        });
    }

    fn switch_to_tcp_above(&mut self, bytes: usize) {
        self.endpoint.set_tcp_above(bytes);
    }

    fn stream_accepted(&mut self, listener: u16, host: &str, port: u16, now: u64) -> u32 {
        match host.parse() {
            Ok(ip) => self
                .endpoint
                .stream_accepted(now, listener, SocketAddr::new(ip, port)),
            Err(_) => 0,
        }
    }

    fn stream_connected(&mut self, stream: u32, now: u64) {
        self.endpoint.stream_connected(now, stream);
    }

    fn stream_received(&mut self, stream: u32, data: &[u8], now: u64) {
        self.endpoint.stream_received(now, stream, data);
    }

    fn stream_finished(&mut self, stream: u32, now: u64) -> bool {
        self.endpoint.stream_finished(now, stream)
    }

    fn stream_closed(&mut self, stream: u32, now: u64) {
        self.endpoint.stream_closed(now, stream);
    }

    fn stream_orders<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let orders = PyList::empty(py);
        for next in self.endpoint.stream_orders() {
            orders.append(order(py, next)?)?;
        }
        Ok(orders)
    }

    fn fileno(&self) -> i32 {
        self.udp.fd()
    }

    fn poll<'py>(&mut self, py: Python<'py>, now: u64) -> PyResult<Bound<'py, PyList>> {
        self.now = now;
        let (endpoint, udp) = (&mut self.endpoint, &mut self.udp);
        py.detach(|| {
            udp.read(endpoint, now);
            endpoint.advance(now);
        });
        let events = PyList::empty(py);
        while let Some(next) = self.endpoint.next_event() {
            events.append(event(py, next)?)?;
        }
        Ok(events)
    }

    fn add_listener(&mut self, host: &str, port: u16) -> u16 {
        self.endpoint.add_listener(Listener::new(host, port))
    }

    fn receive(
        &mut self,
        now: u64,
        listener: u16,
        host: &str,
        port: u16,
        data: &[u8],
    ) -> PyResult<()> {
        let peer = SocketAddr::new(ip(host)?, port);
        self.endpoint.receive(now, Flow::udp(listener, peer), data);
        Ok(())
    }

    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let taken = PyList::empty(py);
        for (flow, bytes) in self.endpoint.outbox().iter() {
            let (host, port) = (flow.peer.ip().to_string(), flow.peer.port());
            taken.append((flow.listener, host, port, PyBytes::new(py, bytes)))?;
        }
        let count = self.endpoint.outbox().len();
        self.endpoint.outbox().sent(count);
        Ok(taken)
    }

    fn more(&self) -> bool {
        self.udp.more()
    }

    fn deadline(&self) -> Option<u64> {
        self.endpoint.deadline()
    }

    fn flush(&mut self, py: Python<'_>) -> usize {
        let (endpoint, udp, now) = (&mut self.endpoint, &mut self.udp, self.now);
        if endpoint.outbox().is_empty() {
            return 0;
        }
        py.detach(|| udp.write(endpoint, now))
    }

    fn ask_requests(&mut self, ask: bool) {
        self.endpoint.ask_requests(ask);
    }

    #[pyo3(signature = (call, target, user, trusted=false))]
    fn forward(&mut self, call: u64, target: &PyTarget, user: Option<&str>, trusted: bool) -> bool {
        let user = user.map(one_line);
        self.endpoint
            .forward_for(call, &target.0, user.as_deref(), trusted)
    }

    fn probe(&mut self, probe: u64, target: &PyTarget, now: u64) {
        self.endpoint.set_now(now);
        self.endpoint.probe(probe, &target.0);
    }

    #[pyo3(signature = (call, status, phrase, reason=None, retry_after=None))]
    fn reject(
        &mut self,
        call: u64,
        status: u16,
        phrase: &str,
        reason: Option<&str>,
        retry_after: Option<u32>,
    ) -> bool {
        self.endpoint
            .reject(call, status, &one_line(phrase), &extra(reason, retry_after))
    }

    fn finish(&mut self, call: u64) -> u16 {
        self.endpoint.finish(call)
    }

    fn release(&mut self, call: u64, now: u64) -> bool {
        self.endpoint.set_now(now);
        self.endpoint.release(call)
    }

    fn hangup(&mut self, call: u64, reason: &str, now: u64) -> bool {
        self.endpoint.set_now(now);
        self.endpoint.hangup(call, &one_line(reason))
    }

    #[pyo3(signature = (call, status, phrase, now, reason=None))]
    fn cancel(
        &mut self,
        call: u64,
        status: u16,
        phrase: &str,
        now: u64,
        reason: Option<&str>,
    ) -> bool {
        self.endpoint.set_now(now);
        let extra = extra(reason, None);
        self.endpoint
            .cancel(call, status, &one_line(phrase), &extra)
    }

    fn restore(&mut self, call: u64, dialog: &[u8]) -> bool {
        self.endpoint.restore(call, dialog)
    }

    fn stats(&self) -> PyStats {
        let counters = self.endpoint.counters;
        let (transactions, calls, live) = self.endpoint.sizes();
        PyStats {
            received: counters.received,
            sent: counters.sent,
            malformed: counters.malformed,
            refused: counters.refused,
            dropped: counters.dropped,
            transactions,
            calls,
            live,
            streams: self.endpoint.streams(),
        }
    }
}
