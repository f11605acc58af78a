"""The engine's thread that appends to the log (engine/src/redo/), under a name for the store."""

from sipguard._engine import Appender, Engine

__all__ = ["Appender", "Engine"]
