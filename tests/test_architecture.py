"""The code keeps to docs/architecture.md: which imports are allowed, how long a file may be, what is never written."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = [app for app in ("quazzar", "mailrelay", "mailboxes", "dnsrecords") if (ROOT / app).is_dir()]
#: Foreign library → the folders or modules that may import it.
EDGES: dict[str, set[str]] = {
    "smtplib": set(),  # it waits for each reply, so nobody: mail goes out through mailrelay.smtp
    "imaplib": {"mailrelay.inbox"},
    "docker": {"mailboxes.engine"},
    # Asking, reading answers, and changing a zone.
    "dns": {"dnsrecords.lookup", "dnsrecords.publishing.services"},
}
#: Folders and modules that know neither rows nor Django: what talks to other machines, and the threads around it.
ROWLESS = (
    "mailrelay.smtp",
    "mailrelay.inbox.imap",
    "mailrelay.bounces",
    "mailboxes.engine",
    "dnsrecords.lookup",
    "dnsrecords.mtasts.fetch",
)
#: What `manage.py up` becomes: it must start whatever is wrong with the packages, and stay small.
PLAIN = (
    "quazzar.processes.supervisor",
    "quazzar.processes.child",
    "quazzar.processes.kernel",
    "quazzar.processes.ports",
    "quazzar.processes.output",
    "quazzar.processes.broker",
    "quazzar.monitoring.logs",
    "quazzar.errors",
)
#: Folders, or modules, through which people and programs come in: they call the domain, which knows none of them.
SURFACES = {"api", "console", "admin", "management", "templatetags"}
#: Imports of a surface from below, each with its reason.
WIRING = {
    ("quazzar.settings", "quazzar.console.site"),  # how the console looks is data of its own
    ("quazzar.tasks", "quazzar.api.idempotency"),  # late: the hourly purge, and the API's code costs 20 MB
}
#: Where surfaces are joined to the rest: /, /api and /admin.
MEETING_PLACES = {"quazzar.urls"}
#: Modules that may catch everything, each with its reason.
CATCHERS = {
    "mailrelay.smtp.line",  # one thread serves all connections: a fault of ours in one must not end the others
}
#: Late imports, each with its reason. They save memory or time; none hides a circle.
LATE = {
    ("mailboxes.engine.connect", "mailboxes.engine.client"),  # Docker's library costs each process 15 MB
    # A model field knows its form field; forms cost a worker memory.
    ("quazzar.sealing.fields", "quazzar.sealing.widgets"),
    ("quazzar.backups.trial", "quazzar.backups.restoring"),  # models: not before django.setup()
    ("quazzar.tasks", "quazzar.api.idempotency"),  # the API's code costs a worker 20 MB
    ("quazzar.processes.web", "quazzar.wsgi"),  # not before what it need not load is barred
    ("quazzar.processes.web", "quazzar.machines.reporting"),  # models: not before Django is set up
    # Models: not before a wrong option has been refused.
    ("mailrelay.sendmail.program", "mailrelay.queue.submission"),
    ("mailrelay.sendmail.program", "mailrelay.expected.arrivals"),
    ("mailrelay.sendmail.program", "quazzar.actors"),
}
#: Modules that import late throughout: ready() is there for it, and a worker that has no stack and no domains does
#: not pay for their code.
LATE_THROUGHOUT = {*(f"{app}.apps" for app in APPS), "mailboxes.tasks", "dnsrecords.tasks"}
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_MODULES = 13
#: Print where there is no command's stdout and no logging yet.
PRINTERS = {"quazzar.processes.output", "quazzar.processes.supervisor", "quazzar.processes.web"}
SKIPPED = {".demo", ".git", ".venv", "var", "node_modules", "__pycache__"}
TEXT = {
    "", ".py", ".md", ".txt", ".in", ".toml", ".html", ".css", ".js", ".svg", ".sh", ".pl", ".yml", ".yaml", ".service"
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


def imports(module: Module, *, late: bool = True, typed: bool = False) -> frozenset[str]:
    """What it imports: with ``late`` also inside functions, with ``typed`` also for type hints only."""
    return _imports(module.name, late, typed)


@cache
def _imports(name: str, late: bool, typed: bool) -> frozenset[str]:
    module = modules()[name]
    imported: set[str] = set()
    for node in _statements(module.tree, late=late, typed=typed):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            imported |= {name if name in modules() else node.module for name in names}
    return frozenset(imported)


def _statements(tree: ast.AST, *, late: bool, typed: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not typed:
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not late:
            continue
        yield node
        yield from _statements(node, late=late, typed=typed)


def own_imports(module: Module, *, late: bool = True, typed: bool = False) -> frozenset[str]:
    """Those of the product's own modules that it imports."""
    return imports(module, late=late, typed=typed) & modules().keys()


def loaded_with(start: str) -> set[str]:
    """Everything that importing a module loads, of the product and foreign; packages on the way included."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += imports(modules()[name], late=False) if name in modules() else []
            waiting += [name.rpartition(".")[0]] if "." in name and name in modules() else []
    return seen


def inside(place: str) -> list[str]:
    """The modules of a folder, or the one module of that name."""
    return [name for name in modules() if name == place or name.startswith(f"{place}.")]


def folder(name: str) -> str:
    """The folder that a module lies in; modules at the top of an app stand for themselves."""
    if (ROOT / name.replace(".", "/")).is_dir():
        return name
    return name.rpartition(".")[0] if name.count(".") > 1 else name


def is_surface(name: str) -> bool:
    return not SURFACES.isdisjoint(name.split(".")[1:])


def top(name: str) -> str:
    return name.partition(".")[0]


# --- who imports whom --------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(("library", "homes"), EDGES.items())
def test_a_foreign_service_has_one_home(library: str, homes: set[str]) -> None:
    users = {name for name, module in modules().items() if library in map(top, imports(module))}
    assert users <= {name for home in homes for name in inside(home)}
    assert all(users.intersection(inside(home)) for home in homes)


@pytest.mark.slow
@pytest.mark.parametrize("place", ROWLESS)
def test_an_edge_reaches_neither_models_nor_django(place: str) -> None:
    assert inside(place)
    assert not {
        (name, other)
        for name in inside(place)
        for other in loaded_with(name)
        if "models" in other.split(".") or top(other) == "django"
    }


@pytest.mark.slow
def test_the_project_package_imports_no_app() -> None:
    assert not {
        (name, each)
        for name, module in modules().items()
        for each in imports(module)
        if top(name) == "quazzar" and top(each) in set(APPS) - {"quazzar"}
    }


@pytest.mark.slow
def test_the_apps_import_each_other_one_way() -> None:
    order = ["quazzar", "mailrelay", "mailboxes", "dnsrecords"]
    backwards = {
        (name, each)
        for name, module in modules().items()
        for each in own_imports(module)
        if order.index(top(each)) > order.index(top(name))
    }
    assert not backwards


@pytest.mark.slow
def test_nobody_below_imports_a_surface() -> None:
    backwards = {
        (name, other)
        for name, module in modules().items()
        for other in own_imports(module, typed=True)
        if is_surface(other) and not is_surface(name) and name not in MEETING_PLACES
    }
    assert backwards == WIRING


def circles() -> list[tuple[str, ...]]:
    """Folders that import each other in a circle, whether at the top, late, or for type hints only."""
    arrows: dict[str, set[str]] = {}
    for name, module in modules().items():
        others = {folder(other) for other in own_imports(module, typed=True)} - {folder(name)}
        arrows.setdefault(folder(name), set()).update(others)
    reach = {start: _reach(arrows, start) for start in arrows}
    return sorted(
        {tuple(sorted(other for other in reach[start] if start in reach.get(other, ()))) for start in arrows}
        - {()}
    )  # fmt: skip


def _reach(arrows: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [*arrows[start]]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += arrows.get(name, ())
    return seen


@pytest.mark.slow
def test_no_folders_import_each_other_in_a_circle() -> None:
    assert circles() == []


@pytest.mark.slow
def test_no_modules_import_each_other_in_a_circle() -> None:
    for name in modules():
        others = own_imports(modules()[name], typed=True) - {name}
        further = set().union(*(_reach_modules(other) for other in others))
        assert name not in further, f"{name} imports what imports it"


@cache
def _reach_modules(start: str) -> frozenset[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += own_imports(modules()[name], typed=True)
    return frozenset(seen)


def test_late_imports_are_known() -> None:
    late = {
        (name, other)
        for name, module in modules().items()
        for other in own_imports(module) - own_imports(module, late=False)
        if name not in LATE_THROUGHOUT
    }
    assert late == LATE


@pytest.mark.parametrize("name", PLAIN)
def test_the_supervisor_needs_nothing_that_is_installed(name: str) -> None:
    foreign = {top(other) for other in loaded_with(name)} - {"quazzar", "__future__"}
    assert not foreign & {"django", "celery", "redis", "cryptography", "waitress", "kombu", "rest_framework"}


def test_sealing_knows_neither_django_nor_files() -> None:
    assert {top(other) for other in loaded_with("quazzar.sealing.cipher")}.isdisjoint(
        {"django", "pathlib", "io"}
    )


# --- sizes -------------------------------------------------------------------------------------------------
def test_no_module_is_longer_than_400_lines() -> None:
    assert not {name: lines(module) for name, module in modules().items() if lines(module) > MOST_LINES}


def lines(module: Module) -> int:
    """Its length, including lines that the formatter leaves alone: nothing is squeezed to be shorter."""
    text = module.text
    if "# fmt: skip" in text and text.count("\n") > MOST_LINES // 2:
        argv = [sys.executable, "-m", "ruff", "format", "-q", "--stdin-filename", str(module.path), "-"]
        free = text.replace("  # fmt: skip", "")
        text = subprocess.run(argv, input=free, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return text.count("\n")


@pytest.mark.slow
def test_no_function_is_longer_than_60_lines() -> None:
    assert not {
        f"{name}.{node.name}"
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_FUNCTION
    }


def test_no_folder_holds_more_than_about_a_dozen_modules() -> None:
    """But an app's own top, and what a framework wants in one place (management commands)."""
    sizes: dict[str, int] = {}
    for module in modules().values():
        place = str(module.path.parent.relative_to(ROOT))
        if "/" in place and "management" not in place and module.path.stem != "__init__":
            sizes[place] = sizes.get(place, 0) + 1
    assert not {place: size for place, size in sizes.items() if size > MOST_MODULES}


# --- what nobody writes ------------------------------------------------------------------------------------
def test_every_module_says_what_lives_in_it() -> None:
    assert not {
        name for name, each in modules().items() if each.text.strip() and not ast.get_docstring(each.tree)
    }


@pytest.mark.slow
def test_nothing_catches_everything() -> None:
    assert not {
        f"{name}:{node.lineno}"
        for name, module in modules().items()
        if name not in CATCHERS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node)
    }


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    """Bare, or Exception; BaseException is fine where it is raised on, after tidying up."""
    caught = ast.unparse(handler.type) if handler.type else ""
    raised_on = isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None
    return caught in {"", "Exception"} or (caught == "BaseException" and not raised_on)


@pytest.mark.slow
def test_only_commands_print() -> None:
    printers = {
        name
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert {name for name in printers if ".management." not in name} <= PRINTERS


@pytest.mark.slow
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
