"""Attacks on a real daemon, with hand-made SIP: what must not work. A test's id is the id of its case."""
