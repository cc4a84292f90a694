"""The plan: the steps from what the Engine has to what it should have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

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
    """A container as it should be, but for these changes."""
    wanted = SPEC.service(service)
    well = ContainerState(
        id="1",
        name=wanted.name,
        service=service,
        image=wanted.image,
        image_id=f"sha256:{service}",
        status="running",
        health="healthy",
        started_at="2026-11-20T00:00:00.123456789Z",
        spec=wanted.digest,
        exit_code=None,
        address="172.30.1.2",
        volumes=frozenset(mount.volume for mount in wanted.mounts),
    )
    return replace(well, **changes)


def observed(**changes: Any) -> Observation:
    """Everything as it should be, but for these changes."""
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
        ("network", "qz"),
        ("volume", "qz-mail-config"),
        ("volume", "qz-mail-data"),
        ("volume", "qz-mail-dkim"),
        ("volume", "qz-mail-sockets"),
        ("pull", "dovecot"),
        ("create", "dovecot"),
        ("pull", "rspamd"),
        ("create", "rspamd"),
        ("pull", "postfix"),
        ("create", "postfix"),
    ]


def test_without_their_network_all_containers_are_made_anew() -> None:
    assert planned(observed(network=None)) == [
        ("network", "qz"),
        *(("recreate", service.service) for service in SPEC.services),
    ]
    assert planning.detached(SPEC, observed(network=None)) == [*SPEC.services]


def test_without_a_volume_the_containers_that_mount_it_are_recreated() -> None:
    for volume, services in (
        ("mail-dkim", ["rspamd", "postfix"]),
        ("mail-data", ["dovecot", "postfix"]),
        ("mail-config", ["dovecot", "rspamd", "postfix"]),
        ("mail-sockets", ["dovecot", "rspamd", "postfix"]),
    ):
        left = observed(volumes=frozenset(SPEC.volumes) - {f"qz-{volume}"})
        actions = [("volume", f"qz-{volume}"), *(("recreate", service) for service in services)]
        assert planned(left) == actions
        assert [service.service for service in planning.detached(SPEC, left)] == services


def of_older_release(**others: ContainerState) -> Observation:
    """All containers without the volume of the sockets, which is not there yet."""
    older = {
        service: container(service, spec="older", volumes=container(service).volumes - {"qz-mail-sockets"})
        for service in IMAGES
    }
    return observed(volumes=frozenset(SPEC.volumes) - {"qz-mail-sockets"}, containers={**older, **others})


def test_containers_of_an_older_release_wait_for_the_operator() -> None:
    actions = planning.plan(SPEC, of_older_release(), NOW)
    assert [(action.kind, action.target, action.interrupts) for action in actions] == [
        ("volume", "qz-mail-sockets", False),
        *(("recreate", service.service, True) for service in SPEC.services),
    ]
    assert planning.detached(SPEC, of_older_release()) == []


def test_when_one_of_them_is_lost_the_others_follow_it_to_their_sockets() -> None:
    older = of_older_release()
    left = {name: state for name, state in older.containers.items() if name != "dovecot"}
    actions = planning.plan(SPEC, replace(older, containers=left), NOW)
    assert [(action.kind, action.target, action.interrupts) for action in actions[1:]] == [
        ("create", "dovecot", False),
        ("recreate", "rspamd", False),
        ("recreate", "postfix", False),
    ]


def test_one_of_them_that_only_stopped_is_as_outdated_as_before() -> None:
    stopped = container("dovecot", spec="older", status="exited", volumes=frozenset({"qz-mail-config"}))
    actions = planning.plan(SPEC, of_older_release(dovecot=stopped), NOW)
    assert [(action.target, action.interrupts) for action in actions[1:]] == [
        ("dovecot", False),
        ("rspamd", False),
        ("postfix", False),
    ]


def test_a_container_that_is_not_there_has_lost_nothing() -> None:
    assert planning.detached(SPEC, observed(network=None, containers={})) == []


# --- interrupting ------------------------------------------------------------------------------------------
OUTDATED = [{"spec": "another"}, {"image_id": "sha256:older"}]


def test_replacing_a_container_that_works_interrupts() -> None:
    for how in OUTDATED:
        (action,) = planning.plan(SPEC, with_dovecot(**how), NOW)
        assert (action.kind, action.target, action.interrupts) == ("recreate", "dovecot", True), how


def test_replacing_a_container_that_does_not_work_interrupts_nothing() -> None:
    for how, ill in product(OUTDATED, ({"status": "exited"}, {"health": "unhealthy"})):
        (action,) = planning.plan(SPEC, with_dovecot(**how, **ill), NOW)
        assert (action.kind, action.interrupts) == ("recreate", False), (how, ill)


def test_an_image_that_is_not_here_any_more_makes_no_container_outdated() -> None:
    assert planned(observed(images=dict.fromkeys(IMAGES))) == []


# --- starting ----------------------------------------------------------------------------------------------
def test_a_container_that_does_not_run_is_started() -> None:
    for status in ("created", "exited", "dead", "restarting"):
        assert planned(with_dovecot(status=status)) == [("start", "dovecot")], status


def test_a_paused_one_is_restarted() -> None:
    assert planned(with_dovecot(status="paused")) == [("restart", "dovecot")]


def test_an_unhealthy_container_is_given_time_since_its_start() -> None:
    ill = with_dovecot(health="unhealthy")
    assert planned(ill, START + timedelta(seconds=89)) == []
    assert planned(ill, START + timedelta(seconds=91)) == [("restart", "dovecot")]


def test_a_container_whose_health_is_unknown_is_left_alone() -> None:
    for health in ("starting", "none"):
        assert planned(with_dovecot(health=health)) == [], health


def test_the_engines_times_are_read_with_any_fraction() -> None:
    for moment in ("2026-11-20T00:00:00Z", "2026-11-20T00:00:00.1Z", "2026-11-20T00:00:00.123456789Z"):
        assert planned(with_dovecot(health="unhealthy", started_at=moment)) == [("restart", "dovecot")], (
            moment
        )
