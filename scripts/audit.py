#!/usr/bin/env python3
"""Known vulnerabilities of the packages that are pinned (``make audit``), and a list of them (``make sbom``).

The tools are those of requirements-audit.txt, in an environment of their own. Exit code 1: a package that Quazzar runs
with has a known vulnerability. It is 0 if the source of vulnerabilities cannot be reached, which is said.

usage: scripts/audit.py [sbom [FILE]]
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SBOM = "sbom.cdx.json"
#: What Quazzar runs with, and what only develops and tests it.
RUNTIME, DEVELOPMENT = "requirements.txt", "requirements-dev.txt"
_TOOLS = [
    "-m",
    "uv",
    "run",
    "--quiet",
    "--no-project",
    "--isolated",
    "--with-requirements",
    "requirements-audit.txt",
]
_UNASKED = "NOT AUDITED: PyPI, which knows the vulnerabilities, could not be asked"


def tool(*command: str) -> subprocess.CompletedProcess[str]:
    """What one of the tools says."""
    argv = [sys.executable, *_TOOLS, "--", *command]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


def audit(requirements: str) -> int:
    """Print what is known about these packages, and return how many have a vulnerability."""
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    ran = tool("pip-audit", *options, "--requirement", requirements)
    try:
        return report(requirements, json.loads(ran.stdout)["dependencies"])
    except (ValueError, KeyError):
        reason = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"{requirements}: {_UNASKED} ({reason[:300]}).")
        return 0


def report(requirements: str, packages: list[dict[str, Any]]) -> int:
    """Print one line for each vulnerability and one for the file, and return how many packages have any."""
    asked = [package for package in packages if "skip_reason" not in package]
    wrong = [package for package in asked if package["vulns"]]
    for package in wrong:
        for found in package["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no version yet"
            print(f"{requirements}: {package['name']} {package['version']}: {found['id']}, fixed in {fixed}")
    if not asked:
        print(f"{requirements}: {_UNASKED} about any of {len(packages)} packages.")
        return 0
    left = len(packages) - len(asked)
    unasked = f"; {left} could not be asked about" if left else ""
    print(f"{requirements}: {len(asked)} packages audited, {len(wrong)} with known vulnerabilities{unasked}.")
    return len(wrong)


def sbom(file: str) -> int:
    """Write the packages that Quazzar runs with as CycloneDX 1.6."""
    options = ["--pyproject", "pyproject.toml", "--mc-type", "application", "--output-reproducible"]
    form = ["--output-format", "JSON", "--spec-version", "1.6", "--output-file", file]
    ran = tool("cyclonedx-py", "requirements", *options, *form, RUNTIME)
    if ran.returncode:
        print(f"NOT WRITTEN: {(ran.stderr.strip().splitlines() or ['no reason given'])[-1][:300]}")
        return 0
    listed = json.loads((ROOT / file).read_text())["components"]
    print(f"{file}: {len(listed)} packages, as CycloneDX 1.6.")
    return 0


def main(*arguments: str) -> int:
    """Do what was asked for."""
    if arguments[:1] == ("sbom",):
        return sbom(*(arguments[1:] or (SBOM,)))
    vulnerable = audit(RUNTIME)
    audit(DEVELOPMENT)
    return min(vulnerable, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
