"""A real daemon, real sipp, and a judge of the money that shares no code with either.

`Loopback` gives a test run addresses of its own, `Daemon` runs sipguard on them, `Sipp` plays callers and
gateways, `judge` reads the database file afterwards, and `rater` says what a call should have cost.
"""
