"""Logins as people write them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sipguard.manage.values import Form, Id

Password = Annotated[str, Field(min_length=1, max_length=256)]
Staff = Literal["administrator", "support", "viewer"]


class NewLogin(Form):
    """A login to be."""

    username: Id
    role: Staff | Literal["account"] = "account"
    account_id: Id | None = Field(None, description="Of role account: the account that it is.")
    password: Password
    must_change: bool = Field(True, description="Its owner sets another password at the first sign-in.")


class LoginChanges(Form):
    """What of a login can be modified; what is not given stays as it is."""

    locked: bool = Field(False, description="Nobody signs in with it, and its keys are good for nothing.")
    must_change: bool = False
    role: Staff = Field("viewer", description="Of logins without an account; only administrators change it.")


class PasswordReset(Form):
    """A new password for somebody else."""

    password: Password
    must_change: bool = True


class PasswordChange(Form):
    """A new password for oneself."""

    current_password: Password
    password: Password
