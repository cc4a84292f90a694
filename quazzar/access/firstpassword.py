"""The password that the product made and printed: an operator who signs in with it must choose another first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from quazzar.models import OneTimeLink, Operator

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

#: In the session of someone who must choose a password. Saves a database query per request.
_FLAG = "must_change_password"


def require(user: User) -> None:
    """Make the user choose another password at the next sign-in."""
    Operator.objects.update_or_create(user=user, defaults={"must_change_password": True})


def note(request: HttpRequest, user: User, **_: Any) -> None:
    """Receive ``user_logged_in``: the session knows what is to be done first."""
    if Operator.objects.filter(user=user, must_change_password=True).exists():
        request.session[_FLAG] = True


def is_due(request: HttpRequest) -> bool:
    """Whether the request's session has to choose a password first."""
    session = getattr(request, "session", None)
    # The user is checked last, because that costs a query; a session whose password was changed elsewhere belongs to
    # nobody.
    return session is not None and _FLAG in session and request.user.is_authenticated


def done(request: HttpRequest) -> None:
    """Let the session continue."""
    request.session.pop(_FLAG, None)


class OwnPassword:
    """A Django password validator, which is called for every new password, wherever it is set."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Refuse to keep the printed password.

        Raises:
            ValidationError: it is the one that was printed.
        """
        pk = getattr(user, "pk", None)
        if pk is None or user is None:
            return
        if Operator.objects.filter(pk=pk, must_change_password=True).exists() and user.check_password(
            password
        ):
            raise ValidationError("This is the printed one-time password. Choose a different one.")

    def password_changed(self, password: str, user: User | None = None) -> None:
        """Record that the printed password was replaced, and revoke links that would set another one."""
        if user is not None and user.pk is not None:
            Operator.objects.filter(user=user, must_change_password=True).update(must_change_password=False)
            still_open = OneTimeLink.objects.filter(user=user, used_at=None, revoked_at=None)
            still_open.update(revoked_at=timezone.now())

    def get_help_text(self) -> str:
        """Return no hint: only the printed password is refused."""
        return ""
