"""The command line of sendmail(8), as far as programs use it that only submit mail. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

_VALUED = frozenset("ABCDFLMNORVXbefhopr")
#: Letters whose value, if any, is attached: -q, -q30m, -d0.
_ATTACHED = frozenset("dq")
_FLAGS = frozenset("GUcimntv")
_MODES = {
    "d": "it runs no server",
    "s": "it does not speak SMTP on standard input",
    "p": "the console shows the queue under Messages",
    "i": "mail for local users goes to the alert recipients in the Relay settings",
}


class UsageError(Exception):
    """The command line is wrong; the text is a sentence for the caller."""


@dataclass(slots=True)
class Options:
    """What the command line asks for."""

    recipients: list[str] = field(default_factory=list)
    #: -t: send to everybody in To, Cc and Bcc.
    from_header: bool = False
    #: A line with nothing but a dot ends the message; -i turns this off.
    dot_ends: bool = True
    #: -f; None without it. ``<>`` and the empty string are the null sender.
    sender: str | None = None
    #: -F: the display name of the author.
    name: str = ""
    verbose: bool = False
    #: -q: "send what is queued", which the worker does by itself.
    queue_run: bool = False

    @property
    def only_queue_run(self) -> bool:
        """Whether nothing but a queue run is asked for, so that there is no message to read."""
        return self.queue_run and not (self.recipients or self.from_header)

    @property
    def null_sender(self) -> bool:
        """Whether the envelope sender is empty, so that nobody gets bounces."""
        return self.sender is not None and self.sender.strip() in {"", "<>"}


def parse(arguments: Sequence[str]) -> Options:
    """Read the options: letters alone or combined, before or after the recipients; ``--`` ends them.

    Raises:
        UsageError: an option is unknown, lacks its value, or is for something that this sendmail does not do.
    """
    options = Options()
    rest = deque(arguments)
    while rest:
        word = rest.popleft()
        if word == "--":
            options.recipients += rest
            break
        if not word.startswith("-"):
            options.recipients.append(word)
        elif word.startswith("--") or word == "-":
            raise UsageError(f"{word} is not an option of sendmail.")
        else:
            _cluster(word[1:], rest, options)
    if not (options.recipients or options.from_header or options.queue_run):
        raise UsageError("List the recipients, or use -t to take them from the message.")
    return options


def _cluster(letters: str, rest: deque[str], options: Options) -> None:
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in _FLAGS:
            _flag(letter, options)
        elif letter in _ATTACHED:
            options.queue_run |= letter == "q"
            return
        elif letter in _VALUED:
            if not letters and not rest:
                raise UsageError(f"Option -{letter} needs a value.")
            _valued(letter, letters or rest.popleft(), options)
            return
        elif letter == "I":
            raise _unsupported("-I", "i")
        else:
            raise UsageError(f"-{letter} is not an option of sendmail.")


def _flag(letter: str, options: Options) -> None:
    if letter == "t":
        options.from_header = True
    elif letter == "i":
        options.dot_ends = False
    elif letter == "v":
        options.verbose = True


def _valued(letter: str, value: str, options: Options) -> None:
    if letter in "fr":
        options.sender = value
    elif letter == "F":
        options.name = value
    elif (letter == "o" and value == "i") or (letter == "O" and value.lower().startswith("ignoredots")):
        options.dot_ends = False
    elif letter == "b" and value != "m":
        raise _unsupported(f"-b{value}", value)


def _unsupported(option: str, mode: str) -> UsageError:
    reason = _MODES.get(mode, "that mode is not known")
    return UsageError(
        f"{option} is not supported: this sendmail only puts mail into the queue, and {reason}."
    )
