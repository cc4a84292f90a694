"""Sessions: stored under a digest of the cookie's value, so that nobody can sign in with a copy of the database.

A row says whose session it is, from where, and when it was last used, so that operators can see their sessions and end
them.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.utils import timezone

from quazzar import notes
from quazzar.models import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.contrib.sessions.base_session import AbstractBaseSession
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

#: ``last_seen_at`` is written at most this often, so that a page that refreshes itself does not cost a write each time.
SEEN_NOTED_EVERY = timedelta(minutes=1)
_LONGEST_AGENT = 300


def digest(session_key: str) -> str:
    """The digest to store instead of the key, as long as the column is wide. The key is random, so it needs no salt."""
    return hashlib.blake2b(session_key.encode(), digest_size=20).hexdigest()


class SessionStore(db.SessionStore):
    """Django's session store with another key for the row. Only the methods that WSGI calls are overridden."""

    #: Where the request comes from, as set by the middleware.
    address = agent = ""
    #: When this session began, and was last used; None for one that is not stored yet.
    began_at: datetime | None = None
    seen_at: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return the table for Django: ours also says whose session it is, and from where."""
        return Session

    def exists(self, session_key: str) -> bool:
        """Whether there is such a session."""
        return super().exists(digest(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """The row for this session, with the digest as its key."""
        row = cast("Session", super().create_model_instance(data))
        row.session_key = digest(row.session_key)
        row.user_id = data.get(SESSION_KEY)
        row.address, row.agent = self.address, self.agent
        row.created_at = self.began_at or row.created_at
        return row

    def create(self) -> None:
        """Begin a session with a new key, as signing in does."""
        self.began_at = None
        super().create()

    def delete(self, session_key: str | None = None) -> None:
        """Delete the session with this key; by default this one."""
        key = self.session_key if session_key is None else session_key
        if key is not None:
            super().delete(digest(key))

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        row = Session.objects.filter(
            session_key=digest(self.session_key or ""), expire_date__gt=timezone.now()
        ).first()
        if row is None:
            self._session_key = None
            return None
        self.began_at, self.seen_at = row.created_at, row.last_seen_at
        return row


class SessionNotesMiddleware:
    """Notes where a session is used from, and when."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        session: Any = request.session
        session.address = request.META.get("REMOTE_ADDR", "")[:45]
        session.agent = request.headers.get("User-Agent", "")[:_LONGEST_AGENT]
        response = self.get_response(request)
        _note_use(session)
        return response


def _note_use(session: Any) -> None:
    now = timezone.now()
    # A session that was not used was not loaded; one that was changed is saved as a whole.
    if session.seen_at is None or session.modified or now - session.seen_at < SEEN_NOTED_EVERY:
        return
    stale = Session.objects.filter(
        session_key=digest(session.session_key or ""), last_seen_at__lte=now - SEEN_NOTED_EVERY
    )
    with notes.hurried():
        stale.update(last_seen_at=now, address=session.address, agent=session.agent)


# --- listing sessions, and ending them


def of(user: User) -> QuerySet[Session]:
    """The user's sessions, the one that was used last first."""
    return Session.objects.filter(user=user, expire_date__gt=timezone.now()).order_by("-last_seen_at")


def is_current(row: Session, request: HttpRequest) -> bool:
    """Whether the request belongs to this session."""
    return row.session_key == digest(request.session.session_key or "")


def end_all(user: User, *, but: HttpRequest | None = None) -> int:
    """End the user's sessions, except that of a request; returns how many ended."""
    rows = of(user)
    if but is not None:
        rows = rows.exclude(session_key=digest(but.session.session_key or ""))
    return rows.delete()[0]
