"""Tests mirror sipguard/; harness, scenarios and faults start the real daemon and real sipp."""
