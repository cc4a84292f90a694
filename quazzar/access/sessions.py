"""Sessions stored under a digest of the cookie's value, so that nobody can sign in with a copy of the database."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends import db
from django.utils import timezone

if TYPE_CHECKING:
    from django.contrib.sessions.base_session import AbstractBaseSession


def digest(session_key: str) -> str:
    """The digest to store instead of the key, as long as the column is wide. The key is random, so it needs no salt."""
    return hashlib.blake2b(session_key.encode(), digest_size=20).hexdigest()


class SessionStore(db.SessionStore):
    """Django's session store with another key for the row. Only the methods that WSGI calls are overridden."""

    def exists(self, session_key: str) -> bool:
        """Whether there is such a session."""
        return super().exists(digest(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """The row for this session, with the digest as its key."""
        row = super().create_model_instance(data)
        row.session_key = digest(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        """Delete the session with this key; by default this one."""
        key = self.session_key if session_key is None else session_key
        if key is not None:
            super().delete(digest(key))

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        row: AbstractBaseSession | None = self.model.objects.filter(
            session_key=digest(self.session_key or ""), expire_date__gt=timezone.now()
        ).first()
        if row is None:
            self._session_key = None
        return row
