"""The native SIP engine (engine/, Rust). It knows SIP and no money; it never raises on network data.

Time goes in as monotonic nanoseconds, randomness as a seed. Orders that answer an event are of the moment of
its `poll`; those that may come later say `now`. After `start` a thread of the engine's own keeps the wire: it
reads, answers what needs no decision, runs the timers and sends. One crossing per batch: `poll` returns the
events that need a decision, the calls below act on one event each, `flush` sends what was ordered.
Thread-safe: every call takes the engine for itself while it lasts, microseconds.
"""

from collections.abc import Sequence
from os import PathLike
from typing import final

@final
class Invite:
    """A new INVITE outside any dialog. Answer it with `Engine.forward` or `Engine.reject` in the same turn.

    Fields are read from the message when asked for. Bytes that are not UTF-8 arrive as U+FFFD.
    """

    @property
    def call(self) -> int:
        """Our own id of the attempt: ``epoch << 40 | sequence``."""
    @property
    def source_host(self) -> str: ...
    @property
    def source_port(self) -> int: ...
    @property
    def certificate(self) -> list[str] | None:
        """What `Engine.stream_secured` was told of the connection that it came by; None: nothing."""
    @property
    def request_uri(self) -> str: ...
    @property
    def request_user(self) -> str:
        """User part of the request URI as received, escapes kept, password left out; empty where absent.

        Of a tel URI, the number with its parameters.
        """
    @property
    def from_user(self) -> str: ...
    @property
    def asserted_user(self) -> str:
        """User part of the first P-Asserted-Identity (RFC 3325), as `from_user`; empty where absent."""
    @property
    def sip_call_id(self) -> str: ...
    @property
    def user_agent(self) -> str: ...
    @property
    def codecs(self) -> str:
        """Codecs of the session description by name, in its order: "PCMA,PCMU,telephone-event".

        At most 16 names of at most 24 characters; empty where there is no description (RFC 8866).
        """

@final
class Request:
    """Another request outside any dialog (REGISTER, MESSAGE, ...); only after `Engine.ask_requests`.

    Answer it as an `Invite`, in the same turn. What is forwarded needs no further order.
    """

    @property
    def call(self) -> int:
        """Our own id of the request, from the same numbers as those of calls."""
    @property
    def source_host(self) -> str: ...
    @property
    def source_port(self) -> int: ...
    @property
    def method(self) -> str: ...
    @property
    def request_uri(self) -> str: ...
    @property
    def listener(self) -> int:
        """Index of the listener that it came in on."""
    @property
    def transport(self) -> str:
        """ "udp", "tcp" or "tls"."""
    @property
    def stream(self) -> int:
        """Id of its connection; 0 over UDP."""
    @property
    def to_user(self) -> str:
        """User part of the To URI, which is whom a REGISTER is for (RFC 3261 section 10.2)."""
    @property
    def sip_call_id(self) -> str: ...
    @property
    def cseq(self) -> int: ...
    @property
    def user_agent(self) -> str: ...
    @property
    def expires(self) -> int | None:
        """Seconds of the Expires header; None: not there, or not readable."""
    @property
    def path(self) -> list[str]:
        """Elements of Path (RFC 3327), with their brackets."""
    @property
    def supported(self) -> list[str]:
        """Option tags in lower case."""
    @property
    def is_wildcard(self) -> bool:
        """``Contact: *``."""
    @property
    def contacts(self) -> list[RegisterContact] | None:
        """None: they cannot be read, or name what cannot be called."""

@final
class RegisterContact:
    """One contact of a REGISTER (RFC 3261 section 20.10)."""

    @property
    def uri(self) -> str: ...
    @property
    def key(self) -> str:
        """Equal for equivalent URIs (section 19.1.4), but for escapes."""
    @property
    def q(self) -> int | None:
        """Thousandths; None: not told."""
    @property
    def expires(self) -> int | None:
        """Seconds; None: not told, or not readable."""
    @property
    def instance(self) -> str:
        """``+sip.instance`` without quotes and brackets; empty: none (RFC 5626 section 4.1)."""
    @property
    def reg_id(self) -> int | None: ...

@final
class Failed:
    """The gateway that was asked did not take the call.

    Answer with `Engine.forward` (the next one) or `Engine.finish`.
    """

    @property
    def call(self) -> int: ...
    @property
    def status(self) -> int:
        """Final status; 408 where nothing came in time, 503 where the datagram could not be delivered."""
    @property
    def cause(self) -> str:
        """ "response", "timeout", "transport"."""
    @property
    def cancelled(self) -> bool:
        """The caller has sent CANCEL: no further gateway may be asked."""
    @property
    def early_media(self) -> bool:
        """A provisional response with a body was passed on: the caller may be hearing this gateway."""
    @property
    def ringing(self) -> int | None:
        """When the first 18x of the call was passed on, as monotonic nanoseconds."""
    @property
    def reason(self) -> str:
        """Value of the Reason header of the response (RFC 3326); empty where absent."""
    @property
    def retry_after(self) -> int | None:
        """Seconds of the Retry-After header of the response (RFC 3261 section 20.33)."""
    @property
    def contact_users(self) -> list[str]:
        """Of a redirection, the user part of each Contact, the most wanted first, read as
        `Invite.request_user` is; empty for any other response."""

@final
class Probed:
    """What became of an `Engine.probe`: one for each."""

    @property
    def probe(self) -> int:
        """The number that it was sent with."""
    @property
    def status(self) -> int:
        """Final status; 408 where none came in time, 503 where the request could not be delivered."""
    @property
    def cause(self) -> str:
        """ "response", "timeout", "transport"."""
    @property
    def retry_after(self) -> int | None:
        """Seconds of the Retry-After header of the response (RFC 3261 section 20.33)."""

@final
class Resolve:
    """An end of a call names itself by a host name (Contact, Record-Route); after `resolve_names`.

    Answer it with `Engine.resolved`, at any time. Until then requests to that end go where it was heard from.
    """

    @property
    def call(self) -> int: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None:
        """None: the DNS says."""
    @property
    def transport(self) -> str | None:
        """What the URI says: "udp", "tcp", "tls"; None: the DNS says."""

@final
class Answered:
    """A 2xx arrived and is held back until `Engine.release`."""

    @property
    def call(self) -> int: ...
    @property
    def status(self) -> int: ...
    @property
    def ringing(self) -> int | None:
        """When the first provisional response other than 100 was passed on, as monotonic nanoseconds."""
    @property
    def codecs(self) -> str:
        """Codecs of the session description in the 2xx, as those of an `Invite`."""
    @property
    def user_agent(self) -> str:
        """Value of the Server header, else of User-Agent; empty where absent."""
    @property
    def dialog(self) -> bytes:
        """State to keep, so that `Engine.restore` knows the call again after a restart."""

@final
class Ended:
    """A BYE arrived for an answered call and is held back until `Engine.release`."""

    @property
    def call(self) -> int: ...
    @property
    def by(self) -> str:
        """ "caller" or "callee"."""
    @property
    def reason(self) -> str:
        """Value of the BYE's Reason header (RFC 3326); empty where absent."""

@final
class Changed:
    """The dialog state of an answered call has changed since `Answered`: keep this instead."""

    @property
    def call(self) -> int: ...
    @property
    def dialog(self) -> bytes: ...
    @property
    def answered(self) -> bool:
        """Another fork has answered: its 2xx is held until `Engine.release_fork` (RFC 3261 13.2.2.4)."""

@final
class Unwanted:
    """Somebody has answered whom nobody wants any more, and was sent ACK and BYE. A restart that comes before
    the BYE has arrived can say it again: `Engine.restore`, then `Engine.hangup`."""

    @property
    def call(self) -> int:
        """Our id of this answer, as of a call of its own."""
    @property
    def dialog(self) -> bytes: ...

@final
class Lost:
    """An end of an answered call is gone. Answer with `Engine.hangup`, once its end is recorded."""

    @property
    def call(self) -> int: ...
    @property
    def side(self) -> str | None:
        """ "caller" or "callee"; None where the session of both has expired."""
    @property
    def how(self) -> str:
        """ "refused" (it does not know the dialog, RFC 3261 12.2.1.2), "silent" (nothing in 64*T1), "no_ack"
        (its ACK has not come in 64*T1, 13.3.1.4), "session_expired" (RFC 4028 section 10)."""
    @property
    def status(self) -> int:
        """What it was refused with, 481 or 408; else 0."""
    @property
    def proved_ns(self) -> int:
        """Until when both ends are known to have been there, monotonic; 0: in this run not at all."""

Event = Invite | Request | Failed | Probed | Resolve | Answered | Ended | Changed | Unwanted | Lost

@final
class Target:
    """A routing gateway as the engine needs it; made once per gateway and directory."""

    def __new__(
        cls,
        host: str,
        port: int,
        *,
        listener: int = 0,
        transport: str = "udp",
        answer_timeout_ms: int = 4000,
        ring_timeout_ms: int = 181_000,
        dials_by_to: bool = False,
        takes_refer: bool = False,
        trusted: bool = False,
        hides_topology: bool = False,
        hides_call_id: bool = False,
        domain: str | None = None,
        gateway: int = 0,
    ) -> Target:
        """`host`: an IP address (IPv6 without brackets). `transport`: "udp", "tcp" or "tls". `listener`:
        index of the one that it leaves from; where that does not serve the transport, or is of the other
        address family, the first that fits.

        `dials_by_to`: To is made to name the judged number. `takes_refer`: a caller's REFER may pass inside
        a call. `domain`: the name that the address was found by, with its port if it was given one; it
        stands in the request URI instead of the address. `trusted`: it is told who calls though the caller
        asks for privacy (RFC 3325). `hides_topology`: neither it nor its callers see the other in Via,
        Record-Route and Contact; `hides_call_id`: nor in Call-ID. `gateway`: what
        `StreamConnect.gateway` is to say of a TLS connection to it. Raises ValueError on anything else.
        """
    @staticmethod
    def registered(
        uri: str,
        host: str,
        port: int,
        *,
        routes: str = "",
        listener: int = 0,
        transport: str = "udp",
        stream: int = 0,
        answer_timeout_ms: int = 4000,
        ring_timeout_ms: int = 181_000,
    ) -> Target:
        """A phone that has registered `uri`, which its INVITEs name (RFC 3261 section 16.5).

        `host`, `port`: where they are sent. `routes`: value of their Route header, its Path (RFC 3327).
        `stream`: the connection that it registered over, used as long as it is there (RFC 5626 section 5.3).
        Inside the call its Contact is believed only as far as a caller's. Raises ValueError.
        """

@final
class Caller:
    """What a gateway is told of who calls, where that is not what the caller's header fields say."""

    def __new__(
        cls,
        user: str | None,
        *,
        keeps_name: bool = True,
        asserted: str | None = None,
        by_remote_party: bool = False,
    ) -> Caller:
        """`user`: user part of From; empty: anonymous; None: as it came. `keeps_name`: its display name too.

        `asserted`: user part of one P-Asserted-Identity (RFC 3325) in place of what a trusted caller asserts;
        empty: no assertion; None: the caller's. `by_remote_party`: Remote-Party-ID instead.
        Raises ValueError where a user part has other characters than letters, digits and ``+-_.``.
        """

@final
class StreamConnect:
    """Open a connection; answer with `Engine.stream_connected` or `Engine.stream_closed`.

    One with TLS is connected when the handshake is over and the peer's certificate was found good.
    """

    @property
    def stream(self) -> int:
        """The id by which all that follows names the connection, 1 <= id < 2**32."""
    @property
    def listener(self) -> int:
        """Index of the listener whose address it is opened from, on any port."""
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def tls(self) -> bool:
        """TLS, else TCP."""
    @property
    def gateway(self) -> int:
        """Whose certificate the peer has to show over TLS; 0: that of its own address."""

@final
class StreamSend:
    """Write to a connection that is open."""

    @property
    def stream(self) -> int: ...
    @property
    def data(self) -> bytes:
        """Whole messages."""

@final
class StreamClose:
    """Close a connection once what was written is sent, or give up opening it. No more is said of it."""

    @property
    def stream(self) -> int: ...

@final
class Traced:
    """A message that the tap has copied."""

    @property
    def at_ns(self) -> int:
        """When, by the clock that `Engine.poll` is told."""
    @property
    def incoming(self) -> bool:
        """It came from the peer; else it went there."""
    @property
    def listener(self) -> int: ...
    @property
    def transport(self) -> str:
        """ "udp", "tcp" or "tls"."""
    @property
    def host(self) -> str:
        """Of the peer."""
    @property
    def port(self) -> int: ...
    @property
    def data(self) -> bytes: ...
    @property
    def sip_call_id(self) -> str:
        """As the caller knows the call; empty where the message has none."""

@final
class Stats:
    """Counters since the start, and sizes now."""

    @property
    def received(self) -> int: ...
    @property
    def sent(self) -> int: ...
    @property
    def malformed(self) -> int: ...
    @property
    def refused(self) -> int:
        """Requests that the engine answered with an error by itself: they have no CDR."""
    @property
    def shed(self) -> int:
        """Of those, new requests that were answered 503 because policy was too far behind."""
    @property
    def dropped(self) -> int: ...
    @property
    def transactions(self) -> int: ...
    @property
    def calls(self) -> int: ...
    @property
    def live(self) -> int: ...
    @property
    def streams(self) -> int:
        """Connections."""
    @property
    def overloaded(self) -> bool:
        """New requests are being refused because policy is behind, or were a few seconds ago."""

@final
class Refused:
    """Requests of one kind that the engine answered with an error by itself."""

    @property
    def source_host(self) -> str: ...
    @property
    def method(self) -> str:
        """As the first of them has it, at most 64 bytes."""
    @property
    def status(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def sip_call_id(self) -> str:
        """Of the first of them, at most 64 bytes."""

@final
class Appender:
    """A thread of the engine's that appends groups of records to the redo log, and lets go what the engine
    holds for them once they are durable.

    It writes to a segment that is in order and has room, and leaves everything else to whoever waits in
    `trouble`. Thread-safe. Nothing here waits for the disk but what says so.
    """

    def __new__(cls, engine: Engine | None, window_us: int, most: int) -> Appender:
        """`engine`: whose held messages; None: nobody's. `window_us`: groups begin no oftener than this, ten
        times more rarely while nobody waits for what is in them, unless somebody hurries. `most`: records of
        a group. In trouble until the first `resume`."""
    def push(self, records: bytes, releases: list[int], tell: bool) -> None:
        """Have records made durable, behind all that were pushed before: a MessagePack array of them.

        Once they are, `Engine.release` is done for each call of `releases`, and `fileno` becomes readable if
        `tell`, else only if nobody asks for `counts`. Raises ValueError for bytes that are no array.
        """
    def hurry(self) -> None:
        """What waits is to be durable at once."""
    def resume(self, path: str | PathLike[str], sequence: int, end: int, limit: int, seed: int) -> None:
        """Append to this segment from now on: the next group, its offset, the size of the segment, and with
        what the CRC of its frames begins (sipguard.store.redo.frame). Raises OSError."""
    def trouble(self) -> tuple[int, int, int, int] | None:
        """Wait until records cannot be appended; None once closed.

        How many, the oldest, are to be made durable by other means; the sequence of the next group (0: it
        was told before) and the offset at which it would have begun; errno of what failed, 0 where nothing
        did: the segment is full, its file was removed, or there is none. It is not written to any more.
        """
    def appended(self, records: int, sequence: int, bytes: int) -> None:
        """In trouble: the oldest records, so many, are durable as the group of that sequence and size."""
    def groups(self, sequence: int) -> list[tuple[int, int, int]]:
        """Durable groups after `sequence` that are not applied: sequence, number of records, bytes."""
    def wait(self, sequence: int, enough: int, seconds: float | None = None) -> None:
        """Wait until there are `enough` records in groups after `sequence`, for `seconds` at most, or until
        `interrupt`. One thread at a time. Raises ValueError for seconds below zero."""
    def interrupt(self) -> None:
        """Whoever is in `wait`, or comes to it next, is to go on."""
    def applied(self, sequence: int) -> None:
        """The database has the groups up to this one."""
    def behind(self) -> tuple[float, int]:
        """How many seconds ago the oldest group became durable that is not applied, and the bytes of all
        such; 0 and 0 where there is none."""
    def counts(self) -> tuple[int, int]:
        """Records and groups that have become durable since the start."""
    def end(self) -> int:
        """Offset in the present segment at which the next group will begin; 0 before there is one."""
    def fileno(self) -> int:
        """Readable when there is reason to ask for `counts`."""
    def clear(self) -> None:
        """Not readable any more; to be called before asking."""
    def close(self) -> None:
        """Append nothing more, and have nobody wait any longer. Waits for a write that is under way."""

@final
class Engine:
    """The one door in and out."""

    def __new__(
        cls, *, epoch: int, seed: bytes, server_name: str = "sipguard", now: int = 0, gather_us: int = 0
    ) -> Engine:
        """`epoch` makes call ids unique over restarts: 0 <= epoch < 2**22. `seed`: 32 random bytes.

        `server_name`: Server header of the responses that the engine makes itself. `now`: the clock that
        `poll` will go on with. `gather_us`: microseconds that a datagram under load
        may wait for others, and events after it. Raises ValueError on anything else.
        """
    def listen(
        self,
        host: str,
        port: int,
        advertise_host: str | None = None,
        advertise_port: int | None = None,
        udp: bool = True,
        tls: bool = False,
    ) -> int:
        """Make a listener known, and bind its UDP socket unless `udp` is false; returns its index.

        `tls`: its connections are TLS, else TCP. Raises OSError where the socket cannot be had,
        RuntimeError after `start`.
        """
    def limit_streams(
        self,
        total: int,
        per_source: int,
        message_seconds: int,
        idle_seconds: int,
        handshakes: int = 256,
        handshake_seconds: int = 5,
    ) -> None:
        """What peers may have: connections in all, and with one address; seconds for a whole message, and
        without any use (32 at least, RFC 3261 section 18); TLS handshakes at once, and seconds for one."""
    def control_overload(self, delay_ms: int, emergency_numbers: Sequence[str]) -> None:
        """Answer new requests 503 with Retry-After, without a word to policy, while those that wait have
        to wait longer than `delay_ms`; 0: never. A halt of half a second, or fewer than 64 requests, are
        no overload.

        `emergency_numbers`: as they are dialled; calls to them come before others, 100 a second of them.
        """
    def ping_calls(self, interval_seconds: int, per_second: int, restored_seconds: int) -> None:
        """Ask both ends of answered calls by OPTIONS inside the dialog whether they are still there.

        `interval_seconds`: from one time to the next, give or take a quarter; 0: never. `per_second`: calls,
        at most; with more the interval stretches. `restored_seconds`: within which calls of an earlier run
        are asked for the first time. To be called before `restore`.
        """
    def session_timers(self, expires_seconds: int, min_se_seconds: int) -> None:
        """What INVITE and UPDATE ask for (RFC 4028 section 8): the longest session interval, and the shortest
        that is allowed (at least 90). `expires_seconds` 0: they go on as they came. What the ends agree on is
        watched in any case."""
    def is_up(self, call: int) -> bool:
        """Whether a call is answered and not over; the event that says more may not have been read yet."""
    def proved(self, call: int) -> int:
        """Until when both ends are known to have been there, monotonic; 0: in this run not at all."""
    def switch_to_tcp_above(self, bytes: int) -> None:
        """Longer requests that would go over UDP go over TCP, and over UDP where that is refused (18.1.1).

        ACKs do not."""
    def stream_accepted(self, listener: int, host: str, port: int, now: int) -> int:
        """A peer has connected; returns the id of the connection. 0: it may not, abort it.

        On a listener for TLS it is read from `stream_secured` on.
        """
    def stream_secured(self, stream: int, now: int, certificate: list[str] | None = None) -> None:
        """TLS is agreed on a connection of a peer. `certificate`: the names that it proved; None: none."""
    def stream_connected(self, stream: int, now: int) -> None:
        """A connection that was ordered is open."""
    def stream_received(self, stream: int, data: bytes, now: int) -> None:
        """Bytes came in; what follows from them comes with the next `poll`. Never raises."""
    def stream_finished(self, stream: int, now: int) -> bool:
        """The peer will send no more; returns whether it may still be answered, else close the connection."""
    def stream_closed(self, stream: int, now: int) -> None:
        """A connection is gone, or could not be opened."""
    def stream_orders(self) -> list[StreamConnect | StreamSend | StreamClose]:
        """What is to be done with connections, in order. To be asked before every `flush`."""
    def add_listener(self, host: str, port: int) -> int:
        """A listener without a socket: what `receive` names, and what peers are told; its index."""
    def receive(self, now: int, listener: int, host: str, port: int, data: bytes) -> None:
        """A datagram that came in by other ways than our own sockets. `host`: an IP address."""
    def take(self) -> list[tuple[int, str, int, bytes]]:
        """What is queued to be sent, as (listener, host, port, message), instead of `flush`."""
    def start(self) -> int:
        """Begin to read the sockets, on a thread of its own.

        Returns a descriptor that is readable while `poll` has something to tell. Raises RuntimeError the
        second time.
        """
    def stop(self) -> None:
        """End the thread: nothing is read any more; `flush` still sends."""
    def poll(self, now: int) -> list[Event]:
        """Run the timers due by `now`, return the events in order, some 100 at most. Never raises."""
    def deadline(self) -> int | None:
        """When `poll` wants to be called again although nothing arrived; None: no timer is armed.

        Before `start`: after it the timers are the thread's.
        """
    def flush(self) -> None:
        """Send what is queued."""
    def trace(self, limit_bytes: int) -> None:
        """Copy messages for `traced`, so many bytes between two calls of it; 0: no more, and forget."""
    def trace_call(self, sip_call_id: str) -> None:
        """Messages of calls with this Call-ID, as the caller knows it, are wanted: of the newest 65,536."""
    def trace_peers(self, networks: Sequence[str], everything: bool) -> None:
        """Wanted besides: what goes to and comes from these networks (CIDR), or everything.

        Raises ValueError on what is no network.
        """
    def traced(self) -> tuple[list[Traced], int]:
        """What was wanted of the messages until now, in order, and how many found no room.

        Nothing while events wait to be polled: until they are judged nobody knows whose their messages are.
        """
    def ask_requests(self, ask: bool) -> None:
        """Whether requests outside a dialog other than INVITE become `Request` events.

        At first they do not: OPTIONS is answered 200, the others 405.
        """
    def ask_registers(self, ask: bool) -> None:
        """Whether REGISTER becomes a `Request` event, whatever is done with other requests."""
    def keep_alive(self, target: Target) -> None:
        """Send an empty datagram to a target over UDP, so that a NAT keeps the way to it open."""
    def forward(
        self,
        call: int,
        target: Target,
        user: str | None,
        trusted: bool = False,
        caller: Caller | None = None,
        beside: Sequence[Target] | None = None,
    ) -> bool:
        """Send the INVITE to `target` with `user` as the only user part; False if the call is gone.

        `beside`: further targets that are asked at the same time (RFC 3261 section 16.6), contacts of one
        phone. The first 2xx is the answer and the others are cancelled; `Failed` comes once, when all have
        failed, with 603 and the like where one has said so for all. More targets than Max-Breadth allows
        (RFC 5393) fail with 440.

        Unless `trusted`, identity headers of the caller stay behind, here and in its later requests of the
        call (RFC 3325 section 5). `caller`: who calls, where a gateway is told other things of it. A caller
        that asks for privacy (RFC 3323) is hidden from targets that are not `trusted`. Headers that name
        another call or another number to call always stay behind. None keeps request URI and headers as they
        came: for relays that judge no numbers, never for calls that cost.
        """
    def resolve_names(self, ask: bool) -> None:
        """Whether `Resolve` events come; at first they do not."""
    def resolved(self, event: Resolve, transport: str, host: str, port: int, now: int) -> bool:
        """What a name stands for. False where the end has moved or gone, or may not be believed: a caller is
        reached at no other address than its own. Raises ValueError where `host` is no IP address."""
    def probe(self, probe: int, target: Target, now: int) -> None:
        """Send an OPTIONS of our own (RFC 3261 section 11).

        A `Probed` with this number follows, at the latest when the answer timeout of `target` is over.
        """
    def reject(
        self, call: int, status: int, phrase: str, reason: str | None = None, retry_after: int | None = None
    ) -> bool:
        """Answer an undecided INVITE. `reason`: value of a Reason header (RFC 3326)."""
    def respond(self, call: int, status: int, phrase: str, headers: Sequence[tuple[str, str]]) -> bool:
        """Answer an undecided request with header fields of one's own; line ends are taken out of them."""
    def require_credentials(
        self, realm: str, key: bytes, algorithms: Sequence[str], nonce_seconds: int
    ) -> None:
        """From now on `challenge` asks for credentials of this realm, and such credentials go no further
        (RFC 3261 section 22.3).

        `key`: 32 secret bytes by which nonces are signed; those of an earlier run stay valid under the same.
        `algorithms`: "SHA-512-256", "SHA-256", "MD5", offered in this order (RFC 8760). Raises ValueError.
        """
    def credentials_user(self, call: int) -> str | None:
        """The user that the credentials of an undecided request name; None: it has none for our realm."""
    def authenticate(self, call: int, md5: str, sha256: str, sha512_256: str, unix_ms: int) -> str:
        """Check the credentials of an undecided request, once, against the HA1 hashes of a user.

        "right"; "wrong": another password; "stale": only the nonce has to be another; "replayed": its count
        was used before; "malformed": not readable, or for another request; "missing".
        """
    def challenge(self, call: int, unix_ms: int, stale: bool = False) -> bool:
        """Answer an undecided request with 401 (REGISTER) or 407, and ask for credentials."""
    def finish(self, call: int) -> int:
        """Pass the best final response on to the caller (RFC 3261 16.7 step 6).

        Returns its status, 0 if the call is gone.
        """
    def release(self, call: int, now: int) -> bool:
        """Let the oldest held message of the call (2xx or BYE) go on its way."""
    def release_fork(self, call: int, now: int) -> bool:
        """Let the oldest 2xx of a further fork that is held go (`Changed.answered`); False: there is none."""
    def hangup(self, call: int, reason: str, now: int) -> bool:
        """End an answered call from here: BYE in both directions with this Reason. No `Ended` follows."""
    def cancel(self, call: int, status: int, phrase: str, now: int, reason: str | None = None) -> bool:
        """Give up an unanswered call from here: CANCEL to the gateway, `status` to the caller.

        No `Failed` follows.
        """
    def restore(self, call: int, dialog: bytes) -> bool:
        """Make an answered call known again; False where the bytes are not of this version."""
    def stats(self) -> Stats: ...
    def take_refusals(self) -> tuple[list[Refused], int]:
        """What the engine refused by itself since the last call: at most 256 kinds (source, method, status),
        and how many were of further kinds."""

@final
class PrefixMap:
    """Longest match over digit prefixes in many spaces (one per rate table, account, ...). Immutable."""

    def __new__(cls, spaces: Sequence[int], prefixes: Sequence[str], values: Sequence[int]) -> PrefixMap:
        """Columns of equal length. A prefix is 0 to 18 ASCII digits; a value 0 <= value < 2**32 - 1.

        Raises ValueError that names the row: unequal columns, a bad prefix, a space with one prefix twice.
        """
    def longest(self, space: int, digits: str) -> int:
        """Value of the longest prefix of `digits` in `space`, -1 where none matches."""
    def all(self, space: int, digits: str) -> list[int]:
        """Values of every prefix of `digits` in `space`, the longest first."""
    def __len__(self) -> int: ...

@final
class PrefixRows:
    """Rows on their way into a book. Made by `PrefixBook.rows`; of one thread."""

    def add(self, rows: list[str]) -> None:
        """Take rows in, each as "key space prefix plain value shape label" with a tab between.

        key, value: 64 bits; space: not negative; prefix: 0 to 18 ASCII digits; plain: "1" where the row
        counts as it stands, "0" where more has to be asked; shape and label: texts, kept once for all rows
        that have the same. The label is the rest of the row, whatever is in it. Raises ValueError that names
        the key.
        """
    def shapes(self) -> list[tuple[str, int]]:
        """Every shape among them, with the key of the first row that has it."""
    def spaces(self) -> list[int]:
        """The spaces that they are of, in no order."""
    def __len__(self) -> int: ...

@final
class PrefixBook:
    """Rows that are found by the longest prefix, in many spaces that change one by one. Immutable: the next
    book shares with this one the sheets of all spaces that did not change."""

    def __new__(cls) -> PrefixBook:
        """Without a row."""
    def rows(self) -> PrefixRows:
        """Rows for the next book."""
    def patched(
        self, cleared: Sequence[int], gone: Sequence[tuple[int, int]], rows: PrefixRows
    ) -> PrefixBook:
        """The next book: without all that the spaces `cleared` have, without the rows `gone` (space and key),
        with `rows`. A row takes the place of one with its key in its space. Other threads go on meanwhile.

        Raises ValueError where `rows` were put into a book before.
        """
    def sheet(self, space: int) -> PrefixSheet | None:
        """The rows of a space; None where it has none."""
    def spaces(self) -> list[int]:
        """The spaces that have rows, in no order."""
    def heap_bytes(self) -> int:
        """Bytes that it takes, those that it shares with other books included; without texts."""
    def __len__(self) -> int: ...

@final
class PrefixSheet:
    """The rows of one space, ordered by prefix, then value, then key. Immutable."""

    def longest(self, digits: str) -> int:
        """Position of the first row of the longest prefix of `digits`; -1 where none matches. Where it is not
        plain, or not the only one of its prefix: -2 less the position."""
    def value(self, digits: str) -> int:
        """Value of the first row of the longest prefix of `digits`; -1 where none matches."""
    def all(self, digits: str) -> list[tuple[int, int]]:
        """The rows of every prefix of `digits`, the longest first: positions of the first and behind the last
        of each."""
    def has(self, value: int) -> bool:
        """Whether some row has the value."""
    def row(self, at: int) -> tuple[int, str, int, str, str]:
        """Key, prefix, value, shape and label of the row at a position. Raises IndexError beyond the last."""
    def __len__(self) -> int: ...
