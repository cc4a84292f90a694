"""The code keeps to docs/architecture.md: who may import whom, how long a file may be, what nobody writes."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = [app for app in ("quazzar", "mailrelay", "mailboxes", "dnsrecords") if (ROOT / app).is_dir()]
#: Foreign library → the modules that may import it: one, or one for each thing it is used for.
EDGES = {
    "smtplib": {"mailrelay.smtp.connection"},
    "docker": {"mailboxes.engine.client"},
    # Asking, reading answers, and changing a zone.
    "dns": {
        "dnsrecords.lookup.resolver",
        "dnsrecords.lookup.messages",
        "dnsrecords.publishing.services.rfc2136",
    },
}
#: Modules that know neither rows nor database: the SMTP edge, and the threads around it.
ROWLESS = (
    "mailrelay.smtp.connection",
    "mailrelay.smtp.pipeline",
    "mailboxes.engine.client",
    "dnsrecords.lookup.resolver",
    "dnsrecords.mtasts.fetch",
)
#: What `manage.py up` becomes: it must start whatever is wrong with the packages, and stay small.
PLAIN = ("supervisor", "child", "processes", "ports", "output", "broker", "logs", "errors")
#: Surfaces: they call the domain, which knows none of them.
SURFACES = {
    "views", "stackviews", "importviews", "urls", "serializers", "noticeserializers", "stackserializers", "forms",
    "optionviews", "optionserializers", "optionconsole", "admin", "console", "management",
    "ed25519views", "ed25519console", "publishviews", "publishserializers", "publishconsole",
}  # fmt: skip
#: Modules that may import surfaces: surfaces themselves, and what wires them together.
WIRING = SURFACES | {"api", "keyadmin", "operatoradmin", "unfolded", "settings", "templatetags", "schema"}
#: Late imports against the direction, each with its reason.
LATE = {
    ("mailboxes.engine.connect", "mailboxes.engine.client"),  # Docker's library costs each process 15 MB
    ("quazzar.doorbell", "mailrelay.tasks"),  # the ring names the task that delivers
    (
        "quazzar.sealing.fields",
        "quazzar.sealing.widgets",
    ),  # a model field knows its form field; forms cost a worker memory
    ("quazzar.tasks", "quazzar.api.idempotency"),  # the API's code costs a worker 20 MB
    ("mailboxes.changes", "mailboxes.tasks"),  # the ring names the task that pushes
    (
        "mailrelay.sendmail.program",
        "mailrelay.queue.submission",
    ),  # models: not before a wrong option has been refused
}
#: Print where there is no command's stdout and no logging yet.
PRINTERS = {"quazzar.processes.output", "quazzar.processes.supervisor", "quazzar.processes.web"}
SKIPPED = {".git", ".venv", "var", "node_modules", "__pycache__"}
TEXT = {
    "", ".py", ".md", ".txt", ".in", ".toml", ".html", ".css", ".js", ".svg", ".sh", ".yml", ".yaml", ".service"
}  # fmt: skip


class Module(NamedTuple):
    """A module of the product, parsed."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def last(self) -> str:
        """Its name inside its app."""
        return self.name.split(".")[1] if "." in self.name else ""


@lru_cache
def modules() -> dict[str, Module]:
    """Every module but migrations, by dotted name."""
    found = {}
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                text = path.read_text()
                found[name] = Module(name, path, text, ast.parse(text))
    return found


def imports(module: Module, *, late: bool = True) -> frozenset[str]:
    """What it imports when it runs (not for type hints); without ``late`` only at its top level."""
    return _imports(module.name, late)


@cache
def _imports(name: str, late: bool) -> frozenset[str]:
    module = modules()[name]
    found: set[str] = set()
    for node in _running(module.tree, late=late):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules() else node.module for name in names}
    return frozenset(found)


def _running(tree: ast.AST, *, late: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not late:
            continue
        yield node
        yield from _running(node, late=late)


def own_imports(module: Module, *, late: bool = True) -> frozenset[str]:
    return imports(module, late=late) & modules().keys()


def reached(start: str) -> set[str]:
    """Everything that is loaded with a module, of the product and foreign."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += imports(modules()[name], late=False) if name in modules() else []
    return seen


def top(name: str) -> str:
    return name.partition(".")[0]


# --- who imports whom --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("library", "home"), EDGES.items())
def test_a_foreign_service_has_its_modules(library: str, home: set[str]) -> None:
    users = {name for name, module in modules().items() if library in map(top, imports(module))}
    assert users == (home & modules().keys())


@pytest.mark.parametrize("name", ROWLESS)
def test_an_edge_reaches_neither_models_nor_the_database(name: str) -> None:
    rows = {each for each in reached(name) if each.endswith(".models") or each.startswith("django")}
    assert not rows


def test_the_project_package_imports_no_app() -> None:
    assert not {
        (name, each)
        for name, module in modules().items()
        for each in imports(module)
        if top(name) == "quazzar" and top(each) in set(APPS) - {"quazzar"}
    }


def test_the_apps_import_each_other_one_way() -> None:
    order = ["quazzar", "mailrelay", "mailboxes", "dnsrecords"]
    backwards = {
        (name, each)
        for name, module in modules().items()
        for each in own_imports(module)
        if order.index(top(each)) > order.index(top(name))
    }
    assert not backwards


def test_the_domain_imports_no_surface() -> None:
    backwards = {
        (name, each)
        for name, module in modules().items()
        for each in own_imports(module)
        if module.last not in WIRING and modules()[each].last in SURFACES and module.last != "apps"
    }
    # The console's look and its settings are data; /, /api and /admin meet in quazzar.urls.
    assert not backwards - {("quazzar.settings", "quazzar.console.site")}


def test_no_modules_import_each_other_in_a_circle() -> None:
    for name in modules():
        further = set().union(*(reached(each) for each in own_imports(modules()[name], late=False)))
        assert name not in further, f"{name} is loaded by what it loads"


def test_late_imports_against_the_direction_are_known() -> None:
    late = {
        (name, each)
        for name, module in modules().items()
        for each in own_imports(module) - own_imports(module, late=False)
        if name
        not in {
            "quazzar.apps",
            "mailrelay.apps",
            "mailboxes.apps",
            "dnsrecords.apps",
        }  # ready() is there for them
        # A worker without a stack, or without domains, does not pay for their code.
        and name not in {"mailboxes.tasks", "dnsrecords.tasks"}
    }
    assert late == LATE


@pytest.mark.parametrize("name", PLAIN)
def test_the_supervisor_needs_nothing_that_is_installed(name: str) -> None:
    foreign = {top(each) for each in reached(f"quazzar.{name}")} - {"quazzar", "__future__"}
    assert not foreign & {"django", "celery", "redis", "cryptography", "gunicorn", "kombu", "rest_framework"}


def test_sealing_knows_neither_django_nor_files() -> None:
    assert {top(each) for each in reached("quazzar.sealing.cipher")}.isdisjoint({"django", "pathlib", "io"})


# --- sizes -------------------------------------------------------------------------------------------------
def test_no_file_is_longer_than_400_lines() -> None:
    assert not {
        name: each.text.count("\n") for name, each in modules().items() if each.text.count("\n") > 400
    }


def test_no_function_is_longer_than_60_lines() -> None:
    assert not {
        f"{name}.{node.name}"
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 60
    }


# --- what nobody writes ------------------------------------------------------------------------------------
def test_every_module_says_what_lives_in_it() -> None:
    assert not {
        name for name, each in modules().items() if each.text.strip() and not ast.get_docstring(each.tree)
    }


def test_nothing_catches_everything() -> None:
    assert not {
        f"{name}:{node.lineno}"
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node)
    }


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    """Bare, or Exception; BaseException is fine where it is raised on, after tidying up."""
    caught = ast.unparse(handler.type) if handler.type else ""
    raised_on = isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None
    return caught in {"", "Exception"} or (caught == "BaseException" and not raised_on)


def test_only_commands_print() -> None:
    printers = {
        name
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert {name for name in printers if ".management." not in name} <= PRINTERS


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "XX" + "X"])
def test_nothing_is_left_for_later(word: str) -> None:
    assert not [path for path, text in texts() if re.search(rf"\b{word}\b", text)]


@pytest.mark.parametrize(
    "host", ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "docker" + ".io/"]
)
def test_no_package_registry_is_named(host: str) -> None:
    assert not [path for path, text in texts() if host in text]


def test_the_texts_are_really_read() -> None:
    read = {str(path.relative_to(ROOT)) for path, _ in texts()}
    assert {"README.md", "Makefile", "requirements.txt", "quazzar/settings.py", ".ci/run"} <= read


@lru_cache
def texts() -> list[tuple[Path, str]]:
    """Every text file of the repository."""
    files: list[Path] = []
    for folder, folders, names in os.walk(ROOT):
        # Left out before they are walked through: .venv has more files than all else.
        folders[:] = [name for name in folders if not _skipped(name)]
        files += [Path(folder, name) for name in names if Path(name).suffix in TEXT]
    return [(path, path.read_text(errors="replace")) for path in files if path.is_file()]


def _skipped(folder: str) -> bool:
    return folder in SKIPPED or folder.endswith("_cache") or folder == ".hypothesis"
