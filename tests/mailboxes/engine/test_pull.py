"""Fetching images: the percent and the sentence, and a real registry."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from mailboxes.engine.client import Engine
from mailboxes.engine.pull import PullProgress, short_name
from quazzar.errors import ImageUnavailable
from tests.mailboxes.engine.forwarding import Forwarder
from tests.mailboxes.engine.registry import Registry, forget
from tests.rig import or_skip, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MB = 1_000_000


# --- percent and sentence ----------------------------------------------------------------------------------
class Reports(list[tuple[int, str]]):
    """Records the calls of a progress callback."""

    def __call__(self, percent: int, sentence: str) -> None:
        self.append((percent, sentence))

    @property
    def percents(self) -> list[int]:
        return [percent for percent, _ in self]

    @property
    def sentences(self) -> list[str]:
        return [sentence for _, sentence in self]


def event(layer: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    """A message of the engine."""
    detail = {"current": current, "total": total} if total else {}
    return {"id": layer, "status": status, "progressDetail": detail}


def after(*events: dict[str, Any]) -> Reports:
    """All calls that were recorded."""
    reports = Reports()
    progress = PullProgress("boky/postfix:v5.1.0", reports)
    for message in events:
        progress.update(message)
    return reports


def test_the_sentence_says_how_much_of_how_much() -> None:
    reports = after(
        event("a", "Pulling fs layer"),
        event("b", "Pulling fs layer"),
        event("a", "Downloading", 43 * MB, 100 * MB),
        event("b", "Downloading", 1, 12 * MB),
    )
    assert reports.sentences == [
        "Fetching boky/postfix",
        "Fetching boky/postfix: 43 of at least 100 MB",
        "Fetching boky/postfix: 43 of 112 MB",
    ]


def test_unpacking_follows_when_all_is_here() -> None:
    reports = after(
        event("a", "Pulling fs layer"),
        event("a", "Downloading", 5 * MB, 10 * MB),
        event("a", "Download complete"),
        event("a", "Extracting", 5 * MB, 10 * MB),
        event("a", "Pull complete"),
    )
    assert reports.percents == [0, 40, 80, 90, 99]
    assert reports.sentences[-2:] == [
        "Unpacking boky/postfix: 5 of 10 MB",
        "Unpacking boky/postfix: 10 of 10 MB",
    ]


def test_the_percent_never_falls_when_more_layers_turn_up() -> None:
    reports = after(
        event("a", "Pulling fs layer"),
        event("a", "Downloading", 9 * MB, 10 * MB),
        event("b", "Pulling fs layer"),
        event("b", "Downloading", 1, 90 * MB),
        event("b", "Downloading", 80 * MB, 90 * MB),
    )
    assert reports.percents == sorted(reports.percents)
    assert reports.percents[1] == reports.percents[2] == 72


def test_layers_that_are_here_already_do_not_count() -> None:
    assert after(event("a", "Already exists"), event("v5.1.0", "Pulling from boky/postfix")) == []


def test_a_download_that_starts_again_does_not_take_the_percent_back() -> None:
    reports = after(
        event("a", "Pulling fs layer"),
        event("a", "Downloading", 9 * MB, 10 * MB),
        event("a", "Retrying in 5 seconds"),
        event("a", "Downloading", 1 * MB, 10 * MB),
    )
    assert reports.percents[-1] == 72
    assert reports.sentences[-1].endswith("1 of 10 MB")


def test_nothing_is_told_twice() -> None:
    step = event("a", "Downloading", 5 * MB, 10 * MB)
    assert len(after(event("a", "Pulling fs layer"), *[step] * 50)) == 2


def test_an_engine_that_counts_seconds_instead_of_bytes_is_borne() -> None:
    odd = {"id": "a", "status": "Extracting", "progressDetail": {"current": 7, "units": "s"}}
    empty = {"status": "Downloading", "id": "a", "progressDetail": {"current": 5, "total": -1}}
    reports = after(event("a", "Pulling fs layer"), empty, odd, event("a", "Pull complete"))
    assert reports.percents[-1] == 99


def test_the_name_is_without_tag_and_digest() -> None:
    for ref, name in (
        ("boky/postfix:v5.1.0", "boky/postfix"),
        ("boky/postfix", "boky/postfix"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"),
        ("127.0.0.1:5000/a/b:2", "127.0.0.1:5000/a/b"),
        ("rspamd/rspamd:4.1@sha256:00ff", "rspamd/rspamd"),
    ):
        assert short_name(ref) == name


# --- a real registry ---------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with or_skip(Registry) as made:
        yield made


@pytest.fixture(scope="module")
def published(registry: Registry, docker_client: docker.DockerClient) -> Iterator[str]:
    """An image of three layers that the engine does not have."""
    ref = registry.publish(docker_client, "qz-test/layers", [os.urandom(size * MB) for size in (6, 3, 1)])
    yield ref
    forget(docker_client, ref)


@pytest.mark.real
def test_an_image_is_fetched_with_progress(published: str) -> None:
    reports = Reports()
    with Engine() as engine:
        assert engine.image_id(published) is None
        assert engine.pullable(published)
        engine.pull(published, reports)
        assert engine.image_id(published)
        # By this an upgrade knows whether the registry has another one.
        assert engine.digests(published) == [f"{short_name(published)}@{engine.registry_digest(published)}"]
    name = short_name(published)
    assert reports[0] == (0, f"Fetching {name}")
    assert reports[-1] == (100, f"Fetched {name}")
    assert reports.percents == sorted(reports.percents)
    assert any(sentence.endswith(" of 10 MB") for sentence in reports.sentences)


@pytest.mark.real
def test_fetching_what_is_here_is_soon_done(published: str) -> None:
    reports = Reports()
    with Engine() as engine:
        engine.pull(published, reports)
        engine.pull(published, reports)
    assert reports.percents[-2:] == [0, 100]


@pytest.mark.real
def test_what_the_callback_raises_ends_the_fetching(
    registry: Registry, docker_client: docker.DockerClient, front: Forwarder
) -> None:
    class Stop(Exception):
        pass

    def stop(percent: int, sentence: str) -> None:
        if percent:
            raise Stop

    ref = registry.publish(docker_client, "qz-test/stopped", [os.urandom(20 * MB)])
    with Engine() as engine, pytest.raises(Stop):
        engine.pull(ref, stop)
    wait_until(lambda: not front.open)  # the engine hears that nobody waits for it
    with suppress(docker.errors.ImageNotFound):
        forget(docker_client, ref)


@pytest.mark.real
@pytest.mark.parametrize("name", ["qz-test/none:1", "qz-test/layers:2"])
def test_what_the_registry_does_not_have(registry: Registry, published: str, name: str) -> None:
    ref = f"127.0.0.1:{registry.port}/{name}"
    with Engine() as engine:
        assert not engine.pullable(ref)
        with pytest.raises(ImageUnavailable, match=f"{ref} cannot be fetched") as caught:
            engine.pull(ref, Reports())
    assert "QUAZZAR_IMAGE_" in caught.value.hint


@pytest.mark.real
def test_a_registry_that_is_not_there(
    registry: Registry, published: str, docker_client: docker.DockerClient
) -> None:
    registry.stop()
    try:
        ref = published.replace(":1", ":3")
        with Engine() as engine:
            assert not engine.pullable(ref)
            with pytest.raises(ImageUnavailable, match="connection refused") as caught:
                engine.pull(ref, Reports())
        assert "docker load" in caught.value.hint
    finally:
        registry.start()
