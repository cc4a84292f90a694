"""What the parts of the Docker edge share: a client per time limit, and one place that translates its errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Asking(ABC):
    """Base of the parts that ``Engine`` is made of; ``Engine`` implements the methods.

    Attributes:
        _where: the Engine's URL without credentials, for sentences.
    """

    _where: str

    @abstractmethod
    def _client(self, timeout: float = 0) -> Any:
        """The connected client whose requests may take this many seconds; 0 means the Engine's own limit."""

    @abstractmethod
    def _check_container(self, name: str) -> None:
        """Raises NameTaken if the container exists and is not ours."""

    @abstractmethod
    def _asking(self, act: str) -> AbstractContextManager[None]:
        """Turns the libraries' exceptions into ours; ``act`` completes the sentence "Docker refused to …"."""
