"""How long the proofs are: short in `make test`; PROOF_CALLS, and told of, in `make proofs`."""

from __future__ import annotations

import os
from collections.abc import Callable

SEED = int(os.environ.get("PROOF_SEED", "1"))
_ASKED = os.environ.get("PROOF_CALLS")


def calls(short: int) -> int:
    """How many, where nobody asks for more."""
    return short if _ASKED is None else int(_ASKED)


def progress(name: str, of: int) -> Callable[[int], None]:
    """Say every so often how far it is; nothing in the short form."""
    step = max(1, of // 10)
    told = -1

    def tell(done: int) -> None:
        nonlocal told
        if _ASKED is not None and done // step > told:
            told = done // step
            print(f"{name}: {done:,} of {of:,}", flush=True)

    return tell


def report(name: str, **figures: object) -> None:
    """The figures of a proof; pytest shows them with -s, or when it fails."""
    print(
        f"{name}: seed {SEED}, " + ", ".join(f"{what} {value}" for what, value in figures.items()), flush=True
    )
