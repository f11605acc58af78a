"""Who acts in management, and how they came in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a login is for."""

    ADMINISTRATOR = "administrator"
    """Sees and does everything."""
    SUPPORT = "support"
    """Sees everything; ends calls and acknowledges alerts; changes nothing else."""
    VIEWER = "viewer"
    """Sees everything, changes nothing."""
    ACCOUNT = "account"
    """Sees one account and what is below it; changes what that account's authorizations allow."""


class Via(StrEnum):
    """The way in."""

    SESSION = "session"
    """Signed in with a password."""
    KEY = "key"
    """An API key."""
    SHELL = "shell"
    """The command line of the machine itself: whoever may write the database is an administrator."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who asks for something, at one moment."""

    name: str
    """The username of the login, or of the user of the machine."""
    role: Role
    via: Via
    login_key: int | None = None
    """Row key of the login; None for the command line."""
    account_key: int | None = None
    """The account of a login of role ACCOUNT: the top of all that it sees. None: no bound."""
    read_only: bool = False
    """An API key that may only read."""
    nouns: frozenset[str] | None = None
    """Parts of the API that an API key is for; None: all."""

    def __post_init__(self) -> None:
        if (self.role is Role.ACCOUNT) != (self.account_key is not None):
            raise ValueError(f"{self.name}: exactly logins of role account have an account")

    @property
    def sees_all(self) -> bool:
        """Whether there is no account that it does not see."""
        return self.account_key is None
