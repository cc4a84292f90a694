"""What should be, compared with what was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailboxes.engine.values import ContainerState, NetworkState
from mailboxes.stack import planning
from mailboxes.stack.blueprint.services import Options, build
from mailboxes.stack.planning import Observation

IMAGES = {"postfix": "p:1", "dovecot": "d:1", "rspamd": "r:1"}
SPEC = build(Options("qz", "mail.example.com", "", 0, IMAGES))
NETWORK = NetworkState("1", "qz", "172.30.1.1", "172.30.1.0/24", ours=True)
START = datetime(2026, 11, 20, tzinfo=UTC)
NOW = START + timedelta(hours=1)


def container(service: str, **changes: Any) -> ContainerState:
    """As it should be."""
    wanted = SPEC.service(service)
    well = ContainerState(
        id="1", name=wanted.name, service=service, image=wanted.image, image_id=f"sha256:{service}",
        status="running", health="healthy", started_at="2026-11-20T00:00:00.123456789Z", spec=wanted.digest,
        exit_code=None, address="172.30.1.2",
    )  # fmt: skip
    return replace(well, **changes)


def observed(**changes: Any) -> Observation:
    """All is well, but for these."""
    well = Observation(
        network=NETWORK,
        volumes=frozenset(SPEC.volumes),
        containers={service: container(service) for service in IMAGES},
        images={service: f"sha256:{service}" for service in IMAGES},
    )
    return replace(well, **changes)


def with_dovecot(**changes: Any) -> Observation:
    return observed(containers={**observed().containers, "dovecot": container("dovecot", **changes)})


def planned(observation: Observation, now: datetime = NOW) -> list[tuple[str, str]]:
    return [(action.kind, action.target) for action in planning.plan(SPEC, observation, now)]


def test_where_all_is_well_there_is_nothing_to_do() -> None:
    assert planned(observed()) == []


def test_from_nothing_everything_is_made_ground_first() -> None:
    nothing = Observation(None, frozenset(), {}, dict.fromkeys(IMAGES))
    assert planned(nothing) == [
        ("network", "qz"), ("volume", "qz-mail-config"), ("volume", "qz-mail-data"), ("volume", "qz-mail-dkim"),
        ("pull", "dovecot"), ("create", "dovecot"), ("pull", "rspamd"), ("create", "rspamd"),
        ("pull", "postfix"), ("create", "postfix"),
    ]  # fmt: skip


def test_without_their_network_all_containers_are_made_anew() -> None:
    assert planned(observed(network=None)) == [
        ("network", "qz"),
        *(("recreate", service.service) for service in SPEC.services),
    ]
    assert planning.detached(SPEC, observed(network=None)) == [*SPEC.services]


@pytest.mark.parametrize(
    ("volume", "services"),
    [("mail-dkim", ["postfix"]), ("mail-data", ["dovecot", "postfix"]),
     ("mail-config", ["dovecot", "rspamd", "postfix"])],
)  # fmt: skip
def test_without_a_volume_those_that_mount_it_are_made_anew(volume: str, services: list[str]) -> None:
    left = observed(volumes=frozenset(SPEC.volumes) - {f"qz-{volume}"})
    assert planned(left) == [("volume", f"qz-{volume}"), *(("recreate", service) for service in services)]
    assert [service.service for service in planning.detached(SPEC, left)] == services


def test_a_container_that_is_not_there_has_lost_nothing() -> None:
    assert planning.detached(SPEC, observed(network=None, containers={})) == []


# --- interrupting ------------------------------------------------------------------------------------------
OUTDATED = [{"spec": "another"}, {"image_id": "sha256:older"}]


@pytest.mark.parametrize("how", OUTDATED)
def test_replacing_a_container_that_works_interrupts(how: dict[str, str]) -> None:
    (action,) = planning.plan(SPEC, with_dovecot(**how), NOW)
    assert (action.kind, action.target, action.interrupts) == ("recreate", "dovecot", True)


@pytest.mark.parametrize("how", OUTDATED)
@pytest.mark.parametrize("ill", [{"status": "exited"}, {"health": "unhealthy"}])
def test_replacing_one_that_does_not_work_interrupts_nothing(
    how: dict[str, str], ill: dict[str, str]
) -> None:
    (action,) = planning.plan(SPEC, with_dovecot(**how, **ill), NOW)
    assert (action.kind, action.interrupts) == ("recreate", False)


def test_an_image_that_is_not_here_any_more_makes_no_container_outdated() -> None:
    assert planned(observed(images=dict.fromkeys(IMAGES))) == []


# --- starting ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", ["created", "exited", "dead", "restarting"])
def test_a_container_that_does_not_run_is_started(status: str) -> None:
    assert planned(with_dovecot(status=status)) == [("start", "dovecot")]


def test_a_paused_one_is_restarted() -> None:
    assert planned(with_dovecot(status="paused")) == [("restart", "dovecot")]


@pytest.mark.parametrize(("after", "actions"), [(89, []), (91, [("restart", "dovecot")])])
def test_an_unhealthy_one_is_given_time_since_its_start(after: int, actions: list[tuple[str, str]]) -> None:
    now = START + timedelta(seconds=after)
    assert planned(with_dovecot(health="unhealthy"), now) == actions


@pytest.mark.parametrize("health", ["starting", "none"])
def test_one_that_is_not_known_to_be_ill_is_left_alone(health: str) -> None:
    assert planned(with_dovecot(health=health)) == []


@pytest.mark.parametrize(
    "moment", ["2026-11-20T00:00:00Z", "2026-11-20T00:00:00.1Z", "2026-11-20T00:00:00.123456789Z"]
)
def test_the_engines_times_are_read_with_any_fraction(moment: str) -> None:
    assert planned(with_dovecot(health="unhealthy", started_at=moment)) == [("restart", "dovecot")]
