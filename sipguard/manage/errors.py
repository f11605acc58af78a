"""Why a command of management did not happen. The API and the command line say each in their own way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class ManageError(Exception):
    """Nothing was changed; the message is for whoever asked."""


class NotFoundError(ManageError):
    """There is no such thing in the scope of the actor. The same words whether it exists elsewhere or not."""

    def __init__(self, noun: str, id: object) -> None:
        super().__init__(f"there is no {noun.replace('_', ' ')} {id}")
        self.noun = noun
        self.id = id


class ForbiddenError(ManageError):
    """The actor sees the thing and may not do this to it."""

    def __init__(self, message: str, authorization: int | None = None) -> None:
        super().__init__(message)
        self.authorization = authorization
        """Number of the authorization that is missing, 1 to 8, where it is that."""


class Problem(NamedTuple):
    """One thing that is wrong with what was given."""

    field: str
    """Dotted path, as in "sections[0].prefix"; empty for the whole."""
    message: str


class InvalidError(ManageError):
    """What was given cannot be used. Everything that is wrong with it, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{field}: {text}" if field else text for field, text in problems))
        self.problems = tuple(problems)

    @classmethod
    def of(cls, field: str, message: str) -> InvalidError:
        """With a single problem."""
        return cls([Problem(field, message)])


class ConflictError(ManageError):
    """It cannot be done as things are. `standing_in_the_way`: what would have to go first."""

    def __init__(self, message: str, standing_in_the_way: Sequence[str] = ()) -> None:
        super().__init__(
            ": ".join((message, ", ".join(standing_in_the_way))) if standing_in_the_way else message
        )
        self.standing_in_the_way = tuple(standing_in_the_way)


class UnavailableError(ManageError):
    """It could be done, but not at this moment: the daemon that has to be asked is not there."""


class StaleError(ManageError):
    """Somebody changed it since the actor read it."""

    def __init__(self, noun: str, id: object) -> None:
        super().__init__(f"{noun.replace('_', ' ')} {id} was changed since it was read: read it again")
