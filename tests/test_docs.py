"""The documentation keeps up with the code: settings, errors, sentences, commands, routes, folders, packages, links."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework import exceptions

from mailrelay.diagnosis import explain as diagnosis
from mailrelay.smtp.dialogue import STAGES

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
APPS = [app for app in ("quazzar", "mailrelay", "mailboxes", "dnsrecords") if (ROOT / app).is_dir()]
#: The API never gives these: a wrong field is a validation_error here, and no Accept header is refused.
UNUSED_CODES = {"invalid", "not_acceptable"}
#: Read by the tests and the benchmarks, not by the product.
FOR_TESTS = {f"QUAZZAR_TEST_{name}" for name in ("COVERAGE", "LONG", "PROCESSES", "REQUIRE_REAL")}
#: Files that a contributor would add.
EXAMPLES = {"dnsrecords/kinds/helo.py", "tests/dnsrecords/kinds/test_helo.py"}
METHODS = ("get", "post", "put", "patch", "delete")


def doc(name: str) -> str:
    return (ROOT / name).read_text()


def in_code(*names: str) -> set[str]:
    """Every word inside a code span of these pages."""
    spans = re.findall(r"`([^`\n]+)`", "\n".join(map(doc, names)))
    return {word for span in spans for word in re.findall(r"[A-Za-z0-9_.-]+", span)}


@lru_cache
def sources() -> list[ast.Module]:
    """The product's modules, parsed."""
    paths = [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    return [ast.parse(path.read_text()) for path in paths]


@lru_cache
def everything() -> list[ast.AST]:
    """Every node of their syntax trees."""
    return [node for tree in sources() for node in ast.walk(tree)]


def nodes(*kinds: type[ast.AST]) -> Iterator[Any]:
    return (node for node in everything() if isinstance(node, kinds))


@cache
def source_of(node: ast.AST) -> str:
    """The node as Python source."""
    return ast.unparse(node)


def text_of(node: ast.AST | None) -> str:
    """The value of a string literal, or "" for any other node."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


# --- settings ----------------------------------------------------------------------------------------------
def variables() -> set[str]:
    """Names of the environment variables that the product reads or sets."""
    reader = re.compile(r"env_\w+|(os\.)?environ\.(get|setdefault|pop)|(os\.)?getenv")
    called = {
        text_of(node.args[0])
        for node in nodes(ast.Call)
        if node.args and reader.fullmatch(source_of(node.func))
    }
    indexed = {
        text_of(node.slice) for node in nodes(ast.Subscript) if source_of(node.value).endswith("environ")
    }
    return {name for name in called | indexed if name.isupper()}


@pytest.mark.slow
def test_every_variable_is_in_configuration() -> None:
    assert len(variables()) > 15
    assert variables() <= in_code("docs/configuration.md")


@pytest.mark.slow
def test_the_file_form_of_every_secret_is_in_configuration() -> None:
    secrets = {text_of(node.args[0]) for node in nodes(ast.Call) if source_of(node.func) == "env_secret"}
    assert secrets and {f"{name}_FILE" for name in secrets} <= in_code("docs/configuration.md")


@pytest.mark.slow
def test_configuration_names_no_variable_that_nothing_reads() -> None:
    named = {word for word in in_code("docs/configuration.md", "README.md") if word.startswith("QUAZZAR_")}
    assert named - {"QUAZZAR_KEY"} <= variables() | FOR_TESTS


def test_variables_of_the_scripts_are_in_configuration() -> None:
    assigned = re.findall(r"^([A-Z]+) \?=", doc("Makefile"), re.MULTILINE)
    defaulted = re.findall(r"\$\{([A-Z]+):-", doc("scripts/bootstrap"))
    assert {*assigned, *defaulted} <= in_code("docs/configuration.md")


# --- errors ------------------------------------------------------------------------------------------------
def codes() -> set[str]:
    """Every error code that the product gives."""
    assigned = {
        text_of(line.value)
        for node in nodes(ast.ClassDef)
        for line in node.body
        if isinstance(line, ast.Assign) and source_of(line.targets[0]) in {"code", "default_code"}
    }
    named = {
        text_of(word.value)
        for node in nodes(ast.Call)
        for word in node.keywords
        if word.arg == "code" and not source_of(node.func).endswith("ValidationError")
    }
    built = {
        text_of(node.args[0])
        for node in nodes(ast.Call)
        if source_of(node.func) in {"body", "_json_under_api", "_refused"} and node.args
    }
    return (assigned | named | built | framework_codes()) - {""}


def framework_codes() -> set[str]:
    classes = [member for _, member in inspect.getmembers(exceptions, inspect.isclass)]
    defaults = {cls.default_code for cls in classes if issubclass(cls, exceptions.APIException)}
    return defaults - UNUSED_CODES


@pytest.mark.slow
def test_every_error_code_is_explained() -> None:
    assert {"relay_not_configured", "throttled", "license_expired", "not_found"} <= codes()
    assert not codes() - in_code("docs/api.md", "docs/operating.md")


def test_every_licence_problem_is_explained() -> None:
    words = {text_of(node) for node in nodes(ast.Constant)}
    problems = {word for word in words if re.fullmatch(r"license_[a-z_]+", word)}
    assert problems & {"license_missing"} and problems <= in_code("docs/operating.md")


def test_every_kind_of_failure_is_explained() -> None:
    hinted = {kind for rule in diagnosis.RULES for kind in rule.kinds}
    given = {
        text_of(word.value) for node in nodes(ast.Call) for word in node.keywords if word.arg == "kind"
    } - {""}
    assert hinted | given <= in_code("docs/operating.md")


def test_every_stage_is_explained() -> None:
    page = doc("docs/operating.md")
    assert [stage for stage in STAGES if stage != "done" and f"| {stage} |" not in page] == []


def test_every_system_check_is_explained() -> None:
    ids = {text_of(word.value) for node in nodes(ast.Call) for word in node.keywords if word.arg == "id"}
    checks = {check_id for check_id in ids if check_id.startswith("quazzar.")}
    assert checks and not [check_id for check_id in checks if check_id not in doc("docs/operating.md")]


# --- commands, routes, metrics ------------------------------------------------------------------------------
def test_every_command_is_explained() -> None:
    commands = {path.stem for app in APPS for path in (ROOT / app).glob("management/commands/[a-z]*.py")}
    assert "rotate_key" in commands and commands <= in_code("docs/operating.md")


def operations(patterns: list[Any], prefix: str = "/") -> Iterator[tuple[str, str]]:
    """(method, path) of every route, without the catch-all views for unknown paths."""
    for pattern in patterns:
        path = prefix + re.sub(r"<\w+:\w+>", "{id}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from operations(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and not _is_last_resort(pattern):
            yield from ((method, path) for method in METHODS if _handles(pattern.callback, method))


def _handles(callback: Any, method: str) -> bool:
    """A viewset's route knows its methods; other views of the API have a handler for each; pages are for GET."""
    if actions := getattr(callback, "actions", None):
        return method in actions
    return hasattr(callback.cls, method) if hasattr(callback, "cls") else method == "get"


def _is_last_resort(pattern: URLPattern) -> bool:
    return getattr(getattr(pattern.callback, "cls", None), "__name__", "").startswith("Unknown")


def headings() -> set[tuple[str, str]]:
    """(method, path) of every heading on the API's page."""
    matches = re.findall(r"^### ([A-Z, ]+) (/\S+(?:, /\S+)*)$", doc("docs/api.md"), re.MULTILINE)
    return {
        (method.lower(), path)
        for methods, paths in matches
        for method in methods.split(", ")
        for path in paths.split(", ")
    }


def test_every_route_has_its_heading_and_every_heading_its_route() -> None:
    routes = set(operations(get_resolver().url_patterns))
    public = {(method, path) for method, path in routes if not path.startswith("/admin") and path != "/"}
    assert ("post", "/api/mail/messages/{id}/retry") in public
    assert public == headings()


def test_every_metric_is_explained() -> None:
    families = re.compile(r"_gauge|\w+MetricFamily")
    names = {
        text_of(node.args[0]) for node in nodes(ast.Call) if families.fullmatch(source_of(node.func))
    } - {""}
    assert {"quazzar_messages", "quazzar_dns_records"} <= names <= in_code("docs/operating.md")


# --- sentences ---------------------------------------------------------------------------------------------
def shown_texts() -> str:
    """Every text of the product and its templates; "…" stands for what is filled in at run time."""
    joined = [
        "".join(text_of(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
        for node in nodes(ast.JoinedStr)
    ]
    pages = [
        re.sub(r"\{[{%].*?[%}]\}", "…", path.read_text()) for path in (ROOT / "templates").rglob("*.html")
    ]
    texts = "\n".join([*map(text_of, nodes(ast.Constant)), *joined, *pages])
    return re.sub(r"%[sd]|\{\w*\}", "…", texts)


def test_every_quoted_sentence_is_one_that_the_product_shows() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", doc("docs/operating.md"), re.MULTILINE)
    quotes = [quote for row in rows for quote in re.findall(r'"([^"]+)"', row)]
    texts = shown_texts()
    assert len(quotes) > 40
    assert [quote for quote in quotes if not all(part in texts for part in _fixed_parts(quote))] == []


@pytest.mark.slow
def test_every_label_to_press_or_switch_is_in_the_console() -> None:
    pages = " ".join(
        page.read_text() for page in DOCS if page.parent.name == "docs" or page.name == "README.md"
    )
    labels = set(re.findall(r"(?:[Pp]ress|[Ss]witch(?:\s+on)?|→)\s+\*\*([^*→]+)\*\*", pages))
    assert {"Send test mail", "Send through the relay", "Rotate the key"} <= labels
    assert [label for label in sorted(labels) if " ".join(label.split()) not in shown_texts()] == []


def _fixed_parts(quote: str) -> list[str]:
    """A quoted sentence without its examples: numbers, N, addresses, and what the page leaves out."""
    return [part.strip(" .,") for part in re.split(r"…|\b[\d.]+\b|\bN\b", quote)]


# --- the tree of folders ------------------------------------------------------------------------------------
def tree() -> set[str]:
    """Folders with a line in the architecture's tree, as paths; two spaces of indentation are one level."""
    folders: set[str] = set()
    parents: list[str] = []
    _, _, page = doc("docs/architecture.md").partition("\n## The tree\n")
    block = page.split("```")[1]
    for indent, name in re.findall(r"^( *)([\w/]+)/ +\S", block, re.MULTILINE):
        parents[len(indent) // 2 :] = [name]
        folders.add("/".join(parents))
    return folders


def folders_with_modules() -> set[str]:
    """Folders of the apps that hold at least one module; migrations are all alike and are left out."""
    modules = {path for app in APPS for path in (ROOT / app).rglob("*.py") if path.name != "__init__.py"}
    return {str(path.parent.relative_to(ROOT)) for path in modules if path.parent.name != "migrations"}


def test_every_folder_has_its_line_in_the_tree() -> None:
    assert len(folders_with_modules()) > 40
    assert folders_with_modules() - tree() == set()


def test_the_tree_names_no_folder_that_is_gone() -> None:
    assert [folder for folder in sorted(tree()) if not (ROOT / folder).is_dir()] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_path_that_is_gone(page: Path) -> None:
    tops = {*APPS, "bench", "bin", "docs", "scripts", "templates", "tests"}
    paths = {path for path in re.findall(r"`(\w+/[\w./-]+)`", page.read_text()) if path.split("/")[0] in tops}
    assert [path for path in sorted(paths - EXAMPLES) if not (ROOT / path).exists()] == []


# --- dependencies, version, links ---------------------------------------------------------------------------
def required() -> set[str]:
    lines = (doc("requirements.in") + doc("requirements-dev.in") + doc("requirements-audit.in")).splitlines()
    return {re.split(r"[\[<>=~;!\s]", line)[0] for line in lines if line and line[0] not in "#-"}


def explained() -> set[str]:
    """Packages named in the first column of a table."""
    cells = re.findall(r"^\| (`[^|]+) \|", doc("docs/dependencies.md"), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([\w.-]+)`", cell)}


def test_every_dependency_has_a_line_and_every_line_a_dependency() -> None:
    assert required() == explained()


def test_the_newest_change_is_of_this_version() -> None:
    version = tomllib.loads(doc("pyproject.toml"))["project"]["version"]
    newest = re.search(r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", doc("CHANGELOG.md"), re.MULTILINE)
    assert newest and newest[1] == version


def anchor(heading: str) -> str:
    """The fragment by which a code host links to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not target.startswith("http"):
            assert _leads(page, *target.partition("#")[::2]), target


def _leads(page: Path, name: str, fragment: str) -> bool:
    there = (page.parent / name).resolve() if name else page
    if not fragment:
        return there.exists()
    return fragment in {anchor(line) for line in re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)}


def test_every_picture_is_shown_on_a_page() -> None:
    pages = "\n".join(page.read_text() for page in DOCS)
    pictures = list((ROOT / "docs/img").iterdir())
    assert pictures and not [picture.name for picture in pictures if f"img/{picture.name})" not in pages]


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
            waiting += [(page.parent / link).resolve() for link in links if not link.startswith("http")]
    assert not set(DOCS) - seen


# --- promises ----------------------------------------------------------------------------------------------
def test_every_test_that_a_page_names_exists() -> None:
    named = {(page.name, test) for page in DOCS for test in re.findall(r"`(test_\w+)`", page.read_text())}
    written = {
        test
        for path in ROOT.glob("tests/**/test_*.py")
        for test in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert not [(page, test) for page, test in sorted(named) if test not in written]


def test_every_promise_of_the_threat_model_names_a_test() -> None:
    section = doc("docs/threat-model.md").partition("## Attackers and defences")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| who |")]
    assert len(rows) > 10
    assert not [row[:100] for row in rows if "`test_" not in row]
