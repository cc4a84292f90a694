"""Root's sendmail runs nothing that anybody else can change: docs/sendmail, and a checkout of a hostile owner."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailrelay.sendmail import installed

ROOT = Path(__file__).resolve().parents[3]
QUAZZAR = 64123
NOBODY = 65534
#: Code that the hostile owner wants root to run; it prints its rights.
HOSTILE = """#!/bin/sh
exec >>/mnt/trace/seen 2>&1
echo "ran by $(/usr/bin/id -ru) $(/usr/bin/id -u) $(/usr/bin/id -G) $(/usr/bin/id -rg)"
grep -E '^(CapPrm|CapEff|CapInh|CapBnd|NoNewPrivs)' /proc/self/status
echo "arguments $# [$1] [$2]; mail $(cat | wc -c); $QUAZZAR_DATA_DIR"
(echo x >/dev/tty) 2>/dev/null && echo "has a terminal"
for file in /root /etc/shadow; do [ -w "$file" ] && echo "writes as root"; done
exit 75
"""
#: Runs in a mount namespace: /opt/quazzar is the checkout, and there is a user quazzar.
SCENE = """
set -e
scratch=$1; shift
mount --bind "$scratch/passwd" /etc/passwd
mount --bind "$scratch/group" /etc/group
mount -t tmpfs none /opt
mkdir /opt/quazzar
mount --bind "$scratch/checkout" /opt/quazzar
mount -t tmpfs none /mnt
mkdir -p /mnt/default
cp "$scratch/default" /mnt/default/quazzar
mkdir -p /etc/default
mount --bind /mnt/default /etc/default
if [ -e "$scratch/prepare" ]; then . "$scratch/prepare"; fi
mkdir /mnt/trace
mount --bind "$scratch/trace" /mnt/trace
exec "$@"
"""

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("unshare"), reason="only root can make a namespace"
    ),
]


class Scene:
    """A node with root's sendmail, and a checkout that belongs to the user quazzar."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.sendmail = place / "sendmail"
        self.checkout = place / "checkout"
        self.trace = place / "trace"
        shutil.copy(ROOT / "docs" / "sendmail", self.sendmail)
        passwd = Path("/etc/passwd").read_text()
        (place / "passwd").write_text(f"{passwd}quazzar:x:{QUAZZAR}:{QUAZZAR}::/opt/quazzar:/bin/false\n")
        (place / "group").write_text(f"{Path('/etc/group').read_text()}quazzar:x:{QUAZZAR}:\n")
        (place / "default").write_text("QUAZZAR_DATA_DIR=/srv/data\n")
        for name in ("bin/quazzar-sendmail", ".venv/bin/python", "id", "setpriv", "sh"):
            file = self.checkout / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(HOSTILE)
            file.chmod(0o755)
        self.trace.mkdir()
        for path in [self.trace, self.checkout, *self.checkout.rglob("*")]:
            os.chown(path, QUAZZAR, QUAZZAR)

    def send(
        self, program: str, *arguments: str, before: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        """Send a mail inside the scene; ``before`` is what starts the program there."""
        scene = ["unshare", "--mount", "sh", "-c", SCENE, "sh", str(self.place)]
        return subprocess.run(
            [*scene, *before, program, *arguments],
            input=b"Subject: x\n\nmail\n",
            capture_output=True,
            timeout=60,
            check=False,
        )

    @property
    def seen(self) -> str:
        """What the hostile code printed."""
        file = self.trace / "seen"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def scene() -> Iterator[Scene]:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        yield Scene(place)


def test_roots_call_runs_the_checkout_without_any_right_of_root(scene: Scene) -> None:
    done = scene.send(str(scene.sendmail), "-t", "two words")
    assert done.returncode == 75, done.stderr
    lines = scene.seen.splitlines()
    assert lines[0] == f"ran by {QUAZZAR} {QUAZZAR} {QUAZZAR} {QUAZZAR}"
    assert {line.split()[1] for line in lines if line.startswith("Cap")} == {"0" * 16}
    assert "NoNewPrivs:\t1" in lines
    assert "arguments 2 [-t] [two words]; mail 17; /srv/data" in lines
    assert "as root" not in scene.seen
    assert "terminal" not in scene.seen


def test_neither_the_callers_path_nor_folder_leads_root_astray(scene: Scene) -> None:
    path = "PATH=/opt/quazzar:.:/usr/bin:/bin"
    traps = ("ENV=/opt/quazzar/sh", "BASH_ENV=/opt/quazzar/sh", "PYTHONPATH=/opt/quazzar")
    scene.send(str(scene.sendmail), "root", before=("/usr/bin/env", "-C", "/opt/quazzar", path, *traps))
    assert f"ran by {QUAZZAR} {QUAZZAR}" in scene.seen
    assert "ran by 0" not in scene.seen


def test_settings_that_are_not_roots_are_not_run_by_root(scene: Scene) -> None:
    (scene.place / "default").write_text(". /opt/quazzar/sh\n")
    (scene.place / "prepare").write_text(f"chown {QUAZZAR} /mnt/default/quazzar\n")
    scene.send(str(scene.sendmail), "root")
    assert "ran by 0" not in scene.seen
    assert scene.seen.count("ran by") == 1


def test_another_user_runs_it_as_themselves(scene: Scene) -> None:
    (scene.trace).chmod(0o777)
    scene.send(str(scene.sendmail), "root", before=("setpriv", f"--reuid={NOBODY}", "--clear-groups"))
    assert f"ran by {NOBODY} {NOBODY}" in scene.seen


def test_a_link_into_the_checkout_starts_no_python_as_root(scene: Scene) -> None:
    """As installed until 0.3.0: the script is then its owner's, but at least not all of the product is run by root."""
    script = scene.checkout / "bin" / "quazzar-sendmail"
    shutil.copy(ROOT / "bin" / "quazzar-sendmail", script)
    (data := scene.checkout / "var").mkdir()
    os.chown(data, QUAZZAR, QUAZZAR)
    (link := scene.place / "link").symlink_to("/opt/quazzar/bin/quazzar-sendmail")
    done = scene.send(str(link), "root", before=("/usr/bin/env", "-u", "QUAZZAR_DATA_DIR"))
    assert done.returncode == 75, done.stderr
    assert scene.seen.startswith(f"ran by {QUAZZAR} {QUAZZAR} {QUAZZAR} {QUAZZAR}\n")


def test_the_doctor_tells_who_could_change_what_root_runs(subtests: pytest.Subtests) -> None:
    with tempfile.TemporaryDirectory(dir="/root") as name:
        place = Path(name)
        (folder := place / "checkout").mkdir()
        (script := folder / "quazzar-sendmail").write_text("#!/bin/sh\n")
        (link := place / "sendmail").symlink_to(script)
        for path, owner, mode, wanted in (
            (script, 0, 0o755, None),
            (script, NOBODY, 0o755, f"user {NOBODY}"),
            (script, 0, 0o757, "anybody"),
            (folder, NOBODY, 0o755, f"user {NOBODY}"),
            (folder, 0, 0o777, "anybody"),
            (place, NOBODY, 0o700, f"user {NOBODY}"),
        ):
            with subtests.test(path=path.name, owner=owner, mode=oct(mode)):
                os.chown(path, owner, owner)
                path.chmod(mode)
                assert installed.who_can_change(link) == wanted
                finding = installed.examine(link)
                assert finding.level == ("ok" if wanted is None else "warning")
                assert (wanted or "runs Mail Relay") in finding.sentence
            os.chown(path, 0, 0)
            path.chmod(0o700)
        os.chown(script, 0, NOBODY)
        script.chmod(0o775)
        assert installed.who_can_change(link) == f"group {NOBODY}"
        (other := place / "postfix").write_text("")
        assert installed.examine(other).level == installed.examine(place / "none").level == "ok"
