"""Real sipp against a real daemon: sipp_scenarios/README.md says which rule each case proves."""
