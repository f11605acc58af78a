"""trace: what the daemon and its peers say to each other, as it happens."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from sipguard.cli.shell import CommandError, Shell, UsageError

if TYPE_CHECKING:
    from sipguard.sip.traced import Traced


@click.command()
@click.option("--account", metavar="ID", help="Calls of this account and of those below it.")
@click.option("--gateway", metavar="ID", help="Calls and all else through this mapping or routing gateway.")
@click.option("--number", metavar="DIGITS", help="Calls from or to numbers that begin so (E.164 digits).")
@click.option(
    "--pcap", type=click.Path(path_type=Path, allow_dash=True), help="Write a pcap file; - for stdout."
)
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after so long; else at Ctrl-C.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many messages.")
@click.option(
    "--show-credentials", is_flag=True, help="Leave digest responses and other credentials readable."
)
@click.pass_obj
def trace(
    shell: Shell,
    account: str | None,
    gateway: str | None,
    number: str | None,
    pcap: Path | None,
    seconds: float | None,
    count: int | None,
    show_credentials: bool,
) -> None:
    """Show SIP messages live, from the INVITE on. Without a filter, all.

    Messages that found no room are counted, on standard error.
    """
    from sipguard.sip.traced import masked

    wanted = {"account": account, "gateway": gateway, "number": number and number.removeprefix("+")}
    answer = shell.ask("trace.open", **{name: value for name, value in wanted.items() if value is not None})
    session = _part(answer, "session")
    until = None if seconds is None else time.monotonic() + seconds
    out = _Output(pcap)
    lost = 0
    try:
        while (until is None or time.monotonic() < until) and (count is None or out.written < count):
            answer = shell.ask("trace.read", session=session)
            for message in _messages(answer):
                if count is None or out.written < count:
                    shown = message if show_credentials else message._replace(data=masked(message.data))
                    out.write(shown)
            out.flush()
            dropped = _part(answer, "dropped")
            if isinstance(dropped, int) and dropped:
                lost += dropped
                click.echo(f"sipguard: {dropped} messages dropped: more came than could be kept", err=True)
    except (KeyboardInterrupt, BrokenPipeError):
        pass  # how a trace usually ends
    finally:
        with suppress(CommandError):
            shell.ask("trace.close", session=session)
        out.close()
    click.echo(f"sipguard: {out.written} messages, {lost} dropped", err=True)


class _Output:
    """Text on standard output, or a pcap file."""

    def __init__(self, pcap: Path | None) -> None:
        self.written = 0
        self._file: IO[bytes] | None = None
        self._pcap = None
        if pcap is None:
            return
        from sipguard.sip.pcap import Writer

        try:
            self._file = sys.stdout.buffer if str(pcap) == "-" else pcap.open("wb")
        except OSError as error:
            raise UsageError(f"{pcap}: {error.strerror}") from None
        self._pcap = Writer(self._file)
        self._pcap.flush()

    def write(self, message: Traced) -> None:
        self.written += 1
        if self._pcap is not None:
            self._pcap.write(message)
        else:
            click.echo(_text(message))

    def flush(self) -> None:
        if self._pcap is not None:
            self._pcap.flush()

    def close(self) -> None:
        if self._file is not None and self._file is not sys.stdout.buffer:
            self._file.close()


def _text(message: Traced) -> str:
    """A head line and the message, in which nothing can act upon the terminal."""
    moment = datetime.fromtimestamp(message.unix_us / 1_000_000).astimezone()
    source, destination = (_endpoint(*one) for one in (message.source, message.destination))
    head = f"{moment:%Y-%m-%d %H:%M:%S.%f%z} {message.transport} {source} -> {destination}"
    text = message.data.decode("utf-8", "replace").replace("\r\n", "\n")
    kept = (char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f"{head}\n{''.join(kept).rstrip()}\n"


def _endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _part(answer: object, name: str) -> object:
    return answer.get(name) if isinstance(answer, dict) else None


def _messages(answer: object) -> list[Traced]:
    import msgspec

    from sipguard.sip.traced import Traced

    rows = _part(answer, "messages")
    return msgspec.convert(rows, list[Traced])
