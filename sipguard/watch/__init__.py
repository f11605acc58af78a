"""What the proxy shows of itself and warns of. Nothing here is on the path of a call."""
