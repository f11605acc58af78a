"""The engine's events and handles, under one name for the rooms above (only sip/ imports the engine)."""

from sipguard._engine import (
    Answered,
    Ended,
    Engine,
    Failed,
    Invite,
    Probed,
    Request,
    Stats,
    StreamClose,
    StreamConnect,
    StreamSend,
    Target,
)

__all__ = [
    "Answered",
    "Ended",
    "Engine",
    "Event",
    "Failed",
    "Invite",
    "Probed",
    "Request",
    "Stats",
    "StreamClose",
    "StreamConnect",
    "StreamOrder",
    "StreamSend",
    "Target",
]

Event = Invite | Request | Failed | Probed | Answered | Ended
StreamOrder = StreamConnect | StreamSend | StreamClose
