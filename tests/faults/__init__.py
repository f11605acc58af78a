"""Kills at the worst moments; afterwards the books are read by a judge that saw only the wire."""
