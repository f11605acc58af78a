"""What a call costs, on this machine, beside its peers: see docs/performance.md."""
