"""The redo log: what the proxy acknowledges is durable here first, and in the database a moment later.

Records are appended to segment files beside the database, a group with one write and one fdatasync
(`log.py`); a second thread applies them to the database in large transactions (`applier.py`), which also
hold how far the log is applied (`position.py`), so that each record counts exactly once. At a start, what the
database lacks is applied before anything is loaded (`replay.py`). docs/decisions/0008-redo-log.md has the
reasons, `frame.py` the bytes.
"""
