"""The engine's events and handles, under one name for the rooms above (only sip/ imports the engine)."""

from sipguard._engine import (
    Answered,
    Caller,
    Changed,
    Ended,
    Engine,
    Failed,
    Invite,
    Lost,
    Probed,
    Refused,
    RegisterContact,
    Request,
    Resolve,
    Stats,
    StreamClose,
    StreamConnect,
    StreamSend,
    Target,
    Unwanted,
)

__all__ = [
    "Answered",
    "Caller",
    "Changed",
    "Ended",
    "Engine",
    "Event",
    "Failed",
    "Invite",
    "Lost",
    "Probed",
    "Refused",
    "RegisterContact",
    "Request",
    "Resolve",
    "Stats",
    "StreamClose",
    "StreamConnect",
    "StreamOrder",
    "StreamSend",
    "Target",
    "Unwanted",
]

Event = Invite | Request | Failed | Probed | Resolve | Answered | Ended | Changed | Unwanted | Lost
StreamOrder = StreamConnect | StreamSend | StreamClose
