"""SQL, one file per noun; the only writer of durable state.

Start at database.py (open, create, migrate), then ledger.py and writer.py, where the money is written.
"""
