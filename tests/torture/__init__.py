"""Conformance of the engine: torture messages over the wire, a second reader, the table of items."""
