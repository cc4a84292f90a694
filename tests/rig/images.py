"""Stand-ins for the three images of the stack, and the world outside: built once per machine, by hand or on demand.

`python -m tests.rig.images` builds what is missing or out of date.
"""

import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import docker
import docker.errors

from tests.rig import Missing, NotReady
from tests.rig.daemon import SEARCH, Daemon, program

SOURCES = Path(__file__).with_name("images")
INPUTS = "quazzar.rig.inputs"  # the label with the digest of what an image was built from
SUITE = "trixie"
BASE = f"quazzar-standin/base:{SUITE}"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What the machine's own apt needs to reach its mirror, apt in the images needs too.
APT_OPTIONS = ("Acquire::http::Proxy", "Acquire::Check-Valid-Until", "Acquire::Check-Date")
DEBOOTSTRAP = ["--variant=minbase", SUITE]


@dataclass(frozen=True)
class Recipe:
    """An image: its name, the directory under images/, and what differs from the Dockerfile's defaults."""

    name: str
    source: str
    arguments: dict[str, str] = field(default_factory=dict)

    def inputs(self, base: str) -> str:
        """A digest over everything that goes into the image."""
        digest = hashlib.sha256(f"{base} {sorted(self.arguments.items())}".encode())
        root = SOURCES / self.source
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            digest.update(f"\0{path.relative_to(root)}\0".encode() + path.read_bytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Images:
    """References of the built images; two of Postfix know only one directory of init scripts each."""

    postfix: str = "quazzar-standin/postfix:5.1.0"
    dovecot: str = "quazzar-standin/dovecot:2.4-root"
    rspamd: str = "quazzar-standin/rspamd:4.1"
    sink: str = "quazzar-standin/sink:1"
    postfix_init_db: str = "quazzar-standin/postfix:init-db"
    postfix_init_d: str = "quazzar-standin/postfix:init-d"
    abroad_exim: str = "quazzar-standin/abroad-exim:1"
    abroad_postfix: str = "quazzar-standin/abroad-postfix:1"


IMAGES = Images()
RECIPES = (
    Recipe(IMAGES.postfix, "postfix"),
    Recipe(IMAGES.dovecot, "dovecot"),
    Recipe(IMAGES.rspamd, "rspamd"),
    Recipe(IMAGES.sink, "sink"),
    Recipe(IMAGES.abroad_exim, "abroad-exim"),
    Recipe(IMAGES.abroad_postfix, "abroad-postfix"),
)
# After the others: they share all but the last layers with the first.
VARIANTS = (
    Recipe(IMAGES.postfix_init_db, "postfix", {"INIT_DIRECTORIES": "/docker-init.db"}),
    Recipe(IMAGES.postfix_init_d, "postfix", {"INIT_DIRECTORIES": "/docker-init.d"}),
)


def ensure_images(client: docker.DockerClient) -> Images:
    """Build what this Engine lacks, or has from other sources; only one process builds at a time.

    Raises:
        Missing: the base image cannot be made here.
        NotReady: a build failed; its last lines are in the message.
    """
    if _outdated(client, (*RECIPES, *VARIANTS)):
        with _lock():
            if _inputs(client, BASE) != _base_inputs():
                _timed(BASE, lambda: _build_base(client))
            with ThreadPoolExecutor(max_workers=2) as pool:
                list(pool.map(lambda recipe: _build(client, recipe), _outdated(client, RECIPES)))
            for recipe in _outdated(client, VARIANTS):
                _build(client, recipe)
    return IMAGES


def _outdated(client: docker.DockerClient, recipes: Sequence[Recipe]) -> list[Recipe]:
    return [each for each in recipes if _inputs(client, each.name) != each.inputs(_base_inputs())]


def _image_id(client: docker.DockerClient, name: str) -> str | None:
    with contextlib.suppress(docker.errors.ImageNotFound):
        return client.images.get(name).id
    return None


def _inputs(client: docker.DockerClient, name: str) -> str | None:
    with contextlib.suppress(docker.errors.ImageNotFound):
        return client.images.get(name).labels.get(INPUTS)
    return None


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    file = Path(tempfile.gettempdir()) / f"quazzar-rig-images-{os.geteuid()}.lock"
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(client: docker.DockerClient, recipe: Recipe) -> None:
    _timed(recipe.name, lambda: _run_build(client, recipe))


def _run_build(client: docker.DockerClient, recipe: Recipe) -> None:
    before = _image_id(client, recipe.name)
    steps = client.api.build(
        path=str(SOURCES / recipe.source),
        tag=recipe.name,
        buildargs={"BASE": BASE, **recipe.arguments},
        labels={INPUTS: recipe.inputs(_base_inputs())},
        network_mode="host",
        rm=True,
        forcerm=True,
        decode=True,
    )
    said = ""
    for step in steps:
        said += str(step.get("stream") or step.get("error") or "")
        if "error" in step:
            raise NotReady(f"{recipe.name} was not built:\n{said[-3000:]}")
    if before not in (None, _image_id(client, recipe.name)):
        # Refused while something still runs from it.
        with contextlib.suppress(docker.errors.APIError):
            client.images.remove(before)


def _timed(name: str, build: Callable[[], None]) -> None:
    print(f"quazzar: building {name}; this is done once", file=sys.stderr, flush=True)
    started = time.monotonic()
    build()
    print(f"quazzar: built {name} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


# The base: Debian itself


def _base_inputs() -> str:
    return hashlib.sha256(" ".join([*DEBOOTSTRAP, *APT_OPTIONS]).encode()).hexdigest()


def _build_base(client: docker.DockerClient) -> None:
    if os.geteuid() != 0:
        raise Missing(f"{BASE}, which only root can make,")
    debootstrap = program("debootstrap", "debootstrap", "debian-archive-keyring")
    keyring = [f"--keyring={KEYRING}"] if KEYRING.exists() else []
    # Not /tmp, which may forbid devices or programs.
    with tempfile.TemporaryDirectory(prefix="quazzar-rig-", dir="/var/tmp") as scratch:
        root = Path(scratch, "root")
        made = subprocess.run(
            [debootstrap, *keyring, *DEBOOTSTRAP, str(root), *_mirror()],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": SEARCH},
        )
        if made.returncode != 0:
            raise NotReady(f"debootstrap failed:\n{made.stdout[-3000:]}{made.stderr[-1000:]}")
        (root / "etc/apt/apt.conf.d/50machine").write_text(_apt_options())
        archive = Path(scratch, "root.tar")
        members = ["--exclude=./var/cache/apt/archives/*.deb", "."]
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), *members], check=True)
        repository, _, tag = BASE.partition(":")
        changes = [f"LABEL {INPUTS}={_base_inputs()}", 'CMD ["bash"]']
        client.api.import_image(src=str(archive), repository=repository, tag=tag, changes=changes)


def _apt_options() -> str:
    dump = subprocess.run(["apt-config", "dump", *APT_OPTIONS], capture_output=True, text=True, check=False)
    return dump.stdout


def _mirror() -> list[str]:
    """The mirror of Debian that this machine itself uses, if it is a Debian; else debootstrap's choice."""
    query = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    listed = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    return [site for site in listed.split() if site.rstrip("/").endswith("/debian")][:1]


if __name__ == "__main__":
    with Daemon() as daemon, contextlib.closing(daemon.client()) as engine:
        print(ensure_images(engine))
