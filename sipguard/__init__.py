"""sipguard: judges, forwards, cuts and charges every SIP call along its chain of agents."""

__version__ = "0.1.0"
