//! The crossing to Python (sipguard/_engine.pyi is its contract). The only file that names PyO3.
//!
//! One crossing per batch; events hold the message and read a field when it is asked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::endpoint::Endpoint;
use crate::event::{Cause, Event, Side};
use crate::message::{Message, Name, Span};
use crate::prefix::PrefixMap;
use crate::proxy::command::Target;
use crate::stream::table::{Limits, Order};
use crate::transport::Transport;
use crate::transport::{Flow, Listener};
use crate::udp::Udp;
use crate::uri;

fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, &String::from_utf8_lossy(bytes))
}

#[pyclass(frozen, name = "Invite", module = "sipguard._engine")]
struct PyInvite {
    #[pyo3(get)]
    call: u64,
    source: SocketAddr,
    message: Arc<Message>,
}

impl PyInvite {
    fn span<'py>(&self, py: Python<'py>, span: Span) -> Bound<'py, PyString> {
        text(py, span.of(&self.message.bytes))
    }

    fn user<'py>(&self, py: Python<'py>, span: Span) -> Bound<'py, PyString> {
        let uri = uri::parse(span.of(&self.message.bytes));
        text(py, &uri.map_or_else(|_| Vec::new(), |uri| uri.number()))
    }
}

#[pymethods]
impl PyInvite {
    #[getter]
    fn source_host(&self) -> String {
        self.source.ip().to_string()
    }
    #[getter]
    fn source_port(&self) -> u16 {
        self.source.port()
    }
    #[getter]
    fn request_uri<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.span(py, self.message.index.request_uri())
    }
    #[getter]
    fn request_user<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.user(py, self.message.index.request_uri())
    }
    #[getter]
    fn from_user<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.user(py, self.message.index.from.uri)
    }
    #[getter]
    fn sip_call_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.span(py, self.message.index.call_id)
    }
    #[getter]
    fn user_agent<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.span(
            py,
            self.message
                .index
                .first(Name::UserAgent)
                .map_or(Span::default(), |field| field.value),
        )
    }
}

#[pyclass(frozen, name = "Request", module = "sipguard._engine")]
struct PyRequest {
    #[pyo3(get)]
    call: u64,
    source: SocketAddr,
    message: Arc<Message>,
}

#[pymethods]
impl PyRequest {
    #[getter]
    fn source_host(&self) -> String {
        self.source.ip().to_string()
    }
    #[getter]
    fn source_port(&self) -> u16 {
        self.source.port()
    }
    #[getter]
    fn method<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let span = self.message.index.method_name();
        text(py, span.of(&self.message.bytes))
    }
    #[getter]
    fn request_uri<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let span = self.message.index.request_uri();
        text(py, span.of(&self.message.bytes))
    }
}

#[pyclass(frozen, get_all, name = "Ringing", module = "sipguard._engine")]
struct PyRinging {
    call: u64,
    status: u16,
}

#[pyclass(frozen, name = "Failed", module = "sipguard._engine")]
struct PyFailed {
    #[pyo3(get)]
    call: u64,
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    cancelled: bool,
    #[pyo3(get)]
    early_media: bool,
    cause: Cause,
    reason: Box<[u8]>,
}

#[pymethods]
impl PyFailed {
    #[getter]
    fn cause(&self) -> &'static str {
        match self.cause {
            Cause::Response => "response",
            Cause::Timeout => "timeout",
            Cause::Transport => "transport",
        }
    }
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text(py, &self.reason)
    }
}

#[pyclass(frozen, name = "Answered", module = "sipguard._engine")]
struct PyAnswered {
    #[pyo3(get)]
    call: u64,
    #[pyo3(get)]
    status: u16,
    dialog: Box<[u8]>,
}

#[pymethods]
impl PyAnswered {
    #[getter]
    fn dialog<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.dialog)
    }
}

#[pyclass(frozen, name = "Ended", module = "sipguard._engine")]
struct PyEnded {
    #[pyo3(get)]
    call: u64,
    by: Side,
    reason: Box<[u8]>,
}

#[pymethods]
impl PyEnded {
    #[getter]
    fn by(&self) -> &'static str {
        match self.by {
            Side::Caller => "caller",
            Side::Callee => "callee",
        }
    }
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        text(py, &self.reason)
    }
}

fn event(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyAny>> {
    Ok(match event {
        Event::Invite {
            call,
            source,
            message,
        } => Bound::new(
            py,
            PyInvite {
                call,
                source,
                message,
            },
        )?
        .into_any(),
        Event::Request {
            call,
            source,
            message,
        } => Bound::new(
            py,
            PyRequest {
                call,
                source,
                message,
            },
        )?
        .into_any(),
        Event::Ringing { call, status } => Bound::new(py, PyRinging { call, status })?.into_any(),
        Event::Failed {
            call,
            status,
            cause,
            cancelled,
            early_media,
            reason,
        } => Bound::new(
            py,
            PyFailed {
                call,
                status,
                cancelled,
                early_media,
                cause,
                reason,
            },
        )?
        .into_any(),
        Event::Answered {
            call,
            status,
            dialog,
        } => Bound::new(
            py,
            PyAnswered {
                call,
                status,
                dialog,
            },
        )?
        .into_any(),
        Event::Ended { call, by, reason } => {
            Bound::new(py, PyEnded { call, by, reason })?.into_any()
        }
    })
}

#[pyclass(frozen, name = "Target", module = "sipguard._engine")]
struct PyTarget(Target);

#[pymethods]
impl PyTarget {
    #[new]
    #[pyo3(signature = (
        host, port, *, listener=0, transport="udp", answer_timeout_ms=4000, ring_timeout_ms=181_000,
        dials_by_to=false, takes_refer=false,
    ))]
    #[allow(clippy::too_many_arguments)] // keywords in Python
    fn new(
        host: &str,
        port: u16,
        listener: u16,
        transport: &str,
        answer_timeout_ms: u64,
        ring_timeout_ms: u64,
        dials_by_to: bool,
        takes_refer: bool,
    ) -> PyResult<Self> {
        let ip = ip(host)?;
        let transport = Transport::from_param(transport.as_bytes())
            .ok_or_else(|| PyValueError::new_err(format!("not udp or tcp: {transport:?}")))?;
        let peer = SocketAddr::new(ip, port);
        Ok(PyTarget(Target {
            peer,
            host: peer.to_string(),
            listener,
            transport,
            answer_timeout: answer_timeout_ms.saturating_mul(1_000_000),
            ring_timeout: ring_timeout_ms.saturating_mul(1_000_000),
            dials_by_to,
            takes_refer,
        }))
    }
}

#[pyclass(frozen, get_all, name = "StreamConnect", module = "sipguard._engine")]
struct PyStreamConnect {
    stream: u32,
    listener: u16,
    host: String,
    port: u16,
}

#[pyclass(frozen, name = "StreamSend", module = "sipguard._engine")]
struct PyStreamSend {
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
struct PyStreamClose {
    stream: u32,
}

fn order(py: Python<'_>, order: Order) -> PyResult<Bound<'_, PyAny>> {
    Ok(match order {
        Order::Connect {
            stream,
            listener,
            peer,
        } => {
            let (host, port) = (peer.ip().to_string(), peer.port());
            let connect = PyStreamConnect {
                stream,
                listener,
                host,
                port,
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

#[pyclass(frozen, get_all, name = "Stats", module = "sipguard._engine")]
struct PyStats {
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
struct PyEngine {
    endpoint: Endpoint,
    udp: Udp,
    now: u64,
}

fn ip(host: &str) -> PyResult<IpAddr> {
    host.parse()
        .map_err(|_| PyValueError::new_err(format!("not an IP address: {host:?}")))
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

#[pyclass(frozen, name = "PrefixMap", module = "sipguard._engine")]
struct PyPrefixMap(PrefixMap);

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

#[pymodule(name = "_engine")]
mod module {
    #[pymodule_export]
    use super::{
        PyAnswered, PyEnded, PyEngine, PyFailed, PyInvite, PyPrefixMap, PyRequest, PyRinging,
        PyStats, PyStreamClose, PyStreamConnect, PyStreamSend, PyTarget,
    };
}
