"""The engine's events and handles, under one name for the rooms above (only sip/ imports the engine)."""

from sipguard._engine import Answered, Ended, Engine, Failed, Invite, Ringing, Stats, Target

__all__ = ["Answered", "Ended", "Engine", "Event", "Failed", "Invite", "Ringing", "Stats", "Target"]

Event = Invite | Ringing | Failed | Answered | Ended
