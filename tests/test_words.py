"""Turns of phrase that were weeded out of what people read, so that they do not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_BINARY = (".whl", ".pyc", ".key", ".crt")
APPS = ("quazzar", "mailrelay", "mailboxes", "dnsrecords")
#: Archaic, or riddles: neither on pages nor in the documentation.
ARCHAIC = """
afresh, anew, lest, whoever, that which, for ever, nobody else's, as they came, henceforth, thereof, whereby,
is no good, of no use, the rest as before, what stands in the way, all the same, in the place of, lets go, such a one,
tells of, told of, what becomes of, what came of, counts no longer, by machine, his mind, is nobody's, no business of,
well or ill
"""
#: Riddles and German word order: also not in the sentences of the product's Python.
STIFF = """
of before, such a one, all else, nobody has looked, keeps the clock right, sign of life, goes round in a circle,
leads to nobody, gets nothing, is well again, last heard of, wants a login, words above, takes no mail, cannot stand,
in the name of this domain, lets the whole world, goes on trying, whatever sends, may do nothing,
read with this key file, needs you, not known here, what breaks is mailed, mend the, by machine
"""
#: Also not in the comments of templates, scripts, style sheets and configuration files.
COMMENTS = """
fetches itself, fetch themselves, all the same, at whatever, for whom it, the very domain, nobody's business,
is only looked at, stands after, stand alone, full is full, what is there stays, a hole, in place of unfold's,
of something real, sends the form, knows no name, none of its business
"""
#: Clumsy on a page.
CLUMSY = """
of its own, of their own, from then on, stands in the way, stand in the way, a way out, the way out, one address a line,
is the most, put at the head, keeps the clock right, is on its way to, another look, mend the, what came of it,
whatever sends
"""


def _pattern(*lists: str) -> re.Pattern[str]:
    phrases = [" ".join(each.split()) for each in ",".join(lists).split(",")]
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, phrases))})\b", re.IGNORECASE)


def _docs() -> list[Path]:
    return [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def _templates() -> Iterator[tuple[Path, str]]:
    for path in (ROOT / "templates").rglob("*.*"):
        yield path, re.sub(r"{#.*?#}|{%.*?%}|<[^>]*>", " ", path.read_text(), flags=re.DOTALL)


def _sentences() -> Iterator[tuple[Path, str]]:
    """Each module of the product, with its texts but without its docstrings and comments."""
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            tree = ast.parse(path.read_text())
            docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            texts = [
                node
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and id(node) not in docstrings
            ]
            yield path, "\n".join(node.value for node in texts if isinstance(node.value, str))


def _sources() -> Iterator[tuple[Path, str]]:
    """Each module of the product, the benchmarks and the demo, with comments that run on from line to line joined."""
    for folder in (*APPS, "bench", "demo"):
        for path in (ROOT / folder).rglob("*.py"):
            yield path, re.sub(r"\n\s*#:?", " ", path.read_text())


def _commented() -> Iterator[tuple[Path, str]]:
    """Each template, style sheet, script and configuration file of ours, with comments that run on joined."""
    files = [path for each in ("templates", "demo/templates") for path in (ROOT / each).rglob("*.html")]
    files += [path for each in ("*.css", "*.js") for path in (ROOT / "static/quazzar").glob(each)]
    for each in ("bin", "deploy", "mailboxes/push/scripts", "mailboxes/stack/blueprint/files", "scripts"):
        files += [
            path
            for path in (ROOT / each).rglob("*")
            if path.is_file() and path.suffix not in _BINARY and "secrets" not in path.parts
        ]
    files += [ROOT / name for name in ("Dockerfile", "Makefile", "compose.yaml", ".ci/run")]
    for path in files:
        yield path, re.sub(r"\n\s*(?:#|--|//|;)", " ", path.read_text())


def _found(text: str, pattern: re.Pattern[str]) -> list[str]:
    return [match[0] for match in pattern.finditer(" ".join(text.split()))]


def _where(texts: Iterator[tuple[Path, str]], pattern: re.Pattern[str]) -> dict[str, list[str]]:
    return {str(path.relative_to(ROOT)): words for path, text in texts if (words := _found(text, pattern))}


def test_nothing_is_archaic() -> None:
    texts = [*_templates(), *((path, path.read_text()) for path in _docs())]
    assert len(texts) > 150
    assert not _where(iter(texts), _pattern(ARCHAIC))


def test_no_docstring_and_no_comment_is_archaic() -> None:
    texts = list(_sources())
    assert len(texts) > 500
    assert not _where(iter(texts), _pattern(ARCHAIC))


def test_no_comment_of_a_template_script_or_configuration_file_is_archaic_or_stiff() -> None:
    texts = list(_commented())
    assert len(texts) > 230
    assert not _where(iter(texts), _pattern(ARCHAIC, STIFF, COMMENTS))


@pytest.mark.slow
def test_nothing_is_stiff() -> None:
    texts = [*_templates(), *_sentences(), *((path, path.read_text()) for path in _docs())]
    assert len(texts) > 700
    assert not _where(iter(texts), _pattern(STIFF))


def test_pages_are_not_clumsy() -> None:
    assert not _where(_templates(), _pattern(CLUMSY))


@pytest.mark.parametrize(
    "text", ["Made anew.", "a server of its\n own", "Nobody has looked.", "It fetches itself."]
)
def test_the_lists_find_what_they_name(text: str) -> None:
    assert _found(text, _pattern(ARCHAIC, STIFF, CLUMSY, COMMENTS))


def test_the_apostrophe_is_the_one_of_the_keyboard() -> None:
    """Both look alike in a sentence and differ in a search, so there is one."""
    texts = [*_templates(), *_sources(), *_commented(), *((path, path.read_text()) for path in _docs())]
    assert not _where(iter(texts), re.compile("\N{RIGHT SINGLE QUOTATION MARK}"))


@pytest.mark.slow
def test_no_word_is_written_twice_in_a_row() -> None:
    twice = re.compile(r"(?<![\w.:/>-])(?!that\b|had\b|quazzar\b)([a-z]{2,}) \1(?![\w./=-])")
    assert _found("show show the plan", twice)
    assert not _where(iter([*_templates(), *((path, path.read_text()) for path in _docs())]), twice)
    assert not [
        (path, line) for path, text in _sentences() for line in text.split("\n") if twice.search(line)
    ]


def test_times_in_sentences_have_the_one_form_of_words() -> None:
    """Each module of ours writes them with ``words``; the forms here are the console's and those of file names."""
    pattern = re.compile(r"\{[^{}]*:[^{}]*%[YdbHM][^{}]*\}|strftime\(")
    allowed = {
        "quazzar/words.py",
        "quazzar/console/shown.py",
        "quazzar/home/chart.py",
        "quazzar/home/statusline.py",
    }
    names = re.compile(r"%Y%m%d|gmtime|name = f\"")
    found = {
        str(path.relative_to(ROOT)): line.strip()
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        for line in path.read_text().splitlines()
        if pattern.search(line) and not names.search(line) and str(path.relative_to(ROOT)) not in allowed
    }
    assert not found
