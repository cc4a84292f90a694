"""An upgrade of the images: done as a whole, or rolled back as a whole, wherever it fails or its worker is killed."""

from __future__ import annotations

from typing import Any

import pytest

from mailboxes.models import ImageUpgrade, Stack, StackImage
from mailboxes.stack import control, pins, reconcile
from mailboxes.upgrades import requests, steps
from mailrelay.models import Message
from quazzar.errors import EngineUnreachable
from quazzar.models import AuditEntry
from tests.fakes import Killed
from tests.mailboxes.mailworld import GIB
from tests.mailboxes.stackengine import IMAGES, StackEngine
from tests.tiers import some

pytestmark = pytest.mark.usefixtures("db")

OLD = [f"sha256:{name.encode().hex():0<64.64}" for name in IMAGES]
NEW = ["sha256:new-postfix", "sha256:new-dovecot", "sha256:new-rspamd"]
SERVICES = ("postfix", "dovecot", "rspamd")


@pytest.fixture
def newer(up: StackEngine) -> StackEngine:
    """A healthy stack, and newer images of all three on the Docker host."""
    up.images.update(zip(IMAGES, NEW, strict=True))
    return up


def running(engine: StackEngine) -> list[str]:
    return [engine.boxes[f"qz-{service}"].image_id for service in SERVICES]


def upgraded() -> ImageUpgrade:
    requests.start()
    steps.carry_on()
    return ImageUpgrade.objects.get()


def check_settled(engine: StackEngine, images: list[str]) -> None:
    """These images run with their ports, all is as the rows say, and nothing is left over."""
    assert running(engine) == images
    assert [row.image_id for row in StackImage.objects.order_by("service")] == [
        images[SERVICES.index(name)] for name in sorted(SERVICES)
    ]
    assert set(engine.boxes) == {f"qz-{service}" for service in SERVICES} and set(engine.networks) == {"qz"}
    assert all(box.spec.ports and box.status == "running" for box in engine.boxes.values())
    assert not engine.mail.copies and not engine.mail._queue
    assert "POSTFIX_defer_transports" not in dict(engine.boxes["qz-postfix"].spec.environment)
    assert set(engine.users()) == engine.accepted() == {"ada@example.com"}
    stack = Stack.load()
    assert (stack.phase, stack.last_error) == ("healthy", None)


def test_new_images_are_proved_before_the_ports_open(newer: StackEngine) -> None:
    upgrade = upgraded()
    assert (upgrade.state, upgrade.error) == ("done", None) and upgrade.finished_at is not None
    assert [each["state"] for each in upgrade.steps] == [
        "fetching", "saving", "switching", "proving", "opening", "done"
    ]  # fmt: skip
    assert [each["id"] for each in upgrade.proofs if each["ok"]] == [
        "login", "wrong_password", "delivery", "incoming", "signature"
    ]  # fmt: skip
    check_settled(newer, NEW)
    proved = [ran for ran in newer.commands if ran.argv[0] == "curl"]
    assert proved and all("upgrade-" not in " ".join(ran.argv[:3]) for ran in proved)


@pytest.mark.parametrize(
    ("service", "fault", "words"),
    [
        ("dovecot", "login", "Signing in by IMAP failed: curl: (67) Login denied."),
        ("dovecot", "anybody", "A wrong password was not refused"),
        ("postfix", "submission", "Sending through the submission port failed"),
        ("postfix", "delivery", "A submitted mail did not reach its mailbox"),
        ("rspamd", "incoming", "Port 25 did not accept a mail"),
        ("rspamd", "signature", "An outgoing mail carries no valid DKIM signature of upgrade.invalid."),
    ],
)
def test_an_image_that_fails_its_proof_is_rolled_back(
    newer: StackEngine, relay: Any, service: str, fault: str, words: str
) -> None:
    type(relay).objects.update(alert_recipients=["ops@example.com"])
    newer.mail.broken[NEW[SERVICES.index(service)]] = fault
    StackImage.objects.filter(service=service).update(newer={"ref": "found before"})
    upgrade = upgraded()
    assert (upgrade.state, upgrade.failed_at) == ("rolled_back", "proving")
    # As what runs is what ran before, the page still says what is newer.
    assert StackImage.objects.get(service=service).newer == {"ref": "found before"}
    assert upgrade.error is not None and words in upgrade.error["message"]
    check_settled(newer, OLD)
    assert Message.objects.get().subject == "[Mail server] The upgrade was rolled back"
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["stack.images_upgrade_started", "stack.images_rolled_back"]


def test_an_image_that_does_not_start_is_rolled_back(newer: StackEngine) -> None:
    newer.health = {"rspamd": "starting"}
    began = newer._start

    def start(name: str) -> None:
        began(name)
        if newer.boxes[name].image_id in OLD:
            newer.boxes[name].health = "healthy"

    newer._start = start  # type: ignore[method-assign]
    upgrade = upgraded()
    assert (upgrade.state, upgrade.failed_at) == ("rolled_back", "switching")
    assert upgrade.error is not None and "qz-rspamd" in upgrade.error["message"]
    check_settled(newer, OLD)


def test_what_the_new_containers_did_to_the_volumes_is_undone(newer: StackEngine) -> None:
    newer.mail.broken[NEW[2]] = "signature"
    data = newer.disks["qz-mail-data"].files
    data["mail"] = data_file = next(iter(newer.config.values()))

    def lose(method: str) -> None:
        if method == "start" and ImageUpgrade.objects.get().state == "switching":
            newer.disks["qz-mail-data"].files.pop("mail", None)

    newer.before = lose
    assert upgraded().state == "rolled_back"
    assert newer.disks["qz-mail-data"].files["mail"] == data_file


def test_a_copy_that_fails_leaves_the_old_containers(newer: StackEngine) -> None:
    newer.mail.refused["save"] = 1
    upgrade = upgraded()
    assert (upgrade.state, upgrade.failed_at) == ("rolled_back", "saving")
    assert upgrade.error is not None and "No space left on device" in upgrade.error["message"]
    check_settled(newer, OLD)


def test_without_room_for_the_copy_nothing_is_touched(newer: StackEngine) -> None:
    for room, words in (((GIB // 8, 10**6), "128 MiB left"), ((GIB, 100), "can hold 100 more files")):
        newer.mail.room = room
        requests.start()
        steps.carry_on()
        upgrade = ImageUpgrade.objects.latest("id")
        assert (upgrade.state, upgrade.failed_at) == ("failed", "fetching")
        assert upgrade.error is not None and words in upgrade.error["message"]
    assert newer.called("stop") == 0
    check_settled(newer, OLD)


def test_without_newer_images_nothing_is_touched(up: StackEngine) -> None:
    upgrade = upgraded()
    assert upgrade.state == "failed" and upgrade.error is not None
    assert upgrade.error["code"] == "no_newer_images" and up.called("stop") == 0
    check_settled(up, OLD)


def test_an_image_is_fetched_if_its_registry_has_another(up: StackEngine) -> None:
    up.known_digests[OLD[2]] = ["rspamd/rspamd@sha256:1"]
    up.published[IMAGES[2]] = "sha256:1"
    assert upgraded().state == "failed" and up.called("pull") == 0
    up.published[IMAGES[2]] = "sha256:2"
    up.registry[IMAGES[2]] = 10
    requests.start()
    steps.carry_on()
    assert up.called("pull") == 1


def test_one_that_cannot_be_fetched_changes_nothing(up: StackEngine, settings: Any) -> None:
    settings.QUAZZAR_IMAGE_RSPAMD = "rspamd/rspamd:none"
    upgrade = upgraded()
    assert (upgrade.state, upgrade.failed_at) == ("failed", "fetching")
    assert upgrade.error is not None and upgrade.error["code"] == "image_unavailable"
    check_settled(up, OLD)


# --- kills -------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("fault", ["", "signature"])
def test_killed_anywhere_the_next_worker_ends_it_one_way_or_the_other(newer: StackEngine, fault: str) -> None:
    newer.mail.broken[NEW[2]] = fault
    number = 0
    for call in some(range(1, 400, 2), 12):
        for after in (False, True):
            number += 1
            newer.calls.clear()
            requests.start()
            newer.die_at, newer.die_after = call, after
            try:
                steps.carry_on()
            except Killed:
                killed = True
            else:
                killed = False
            newer.die_at = 0
            reconcile.converge(quiet=True)
            steps.carry_on()
            reconcile.converge(quiet=True)
            upgrade = ImageUpgrade.objects.latest("id")
            assert upgrade.state == ("rolled_back" if fault else "done"), (call, upgrade.error)
            check_settled(newer, OLD if fault else NEW)
            assert reconcile.differences() == ([] if not fault else newer_ones())
            if not fault:  # the way back, so that there is something to upgrade
                run_the_old_ones(newer)
            if not killed:
                return
    assert number > 10


def run_the_old_ones(engine: StackEngine) -> None:
    for service, ref, image in zip(SERVICES, IMAGES, OLD, strict=True):
        engine.boxes[f"qz-{service}"].image_id = image
        pins.store({service: {"ref": ref, "id": image, "digest": ""}})


def newer_ones() -> list[str]:
    return [
        f"The container qz-{service} runs an older {IMAGES[SERVICES.index(service)]} than the one on the Docker host."
        for service in ("dovecot", "rspamd", "postfix")
    ]


def test_a_worker_that_ends_again_and_again_is_no_reason_to_try_for_ever(newer: StackEngine) -> None:
    requests.start()
    newer.before = lambda method: kill() if method == "start" and "qz-upgrade" in newer.networks else None

    def kill() -> None:
        raise Killed

    for _ in range(3):
        with pytest.raises(Killed):
            steps.carry_on()
    newer.before = lambda method: None
    steps.carry_on()
    upgrade = ImageUpgrade.objects.get()
    assert upgrade.state == "rolled_back" and upgrade.error is not None
    assert upgrade.error["code"] == "worker_ended"
    check_settled(newer, OLD)


def test_while_the_engine_is_gone_the_way_back_waits(newer: StackEngine) -> None:
    newer.mail.broken[NEW[1]] = "login"
    requests.start()

    def go(method: str) -> None:
        if newer.mail.copies and ImageUpgrade.objects.get().state == "returning":
            newer.before = lambda method: None
            newer.unreachable = True

    newer.before = go
    steps.carry_on()
    upgrade = ImageUpgrade.objects.get()
    assert (upgrade.state, upgrade.finished_at) == ("returning", None)
    assert Stack.load().last_error == {
        "code": EngineUnreachable.code, "message": EngineUnreachable.message, "hint": EngineUnreachable.hint
    }  # fmt: skip
    newer.unreachable = False
    steps.carry_on()
    assert ImageUpgrade.objects.get().state == "rolled_back"
    check_settled(newer, OLD)


# --- the operator ------------------------------------------------------------------------------------------
def test_disabled_in_the_middle_volumes_and_images_are_as_before(newer: StackEngine) -> None:
    before = set(StackImage.objects.values_list("image_id", flat=True))
    requests.start()

    def disable(method: str) -> None:
        if "qz-upgrade" in newer.networks and method == "run":
            Stack.objects.update(enabled=False, phase="stopping")

    newer.before = disable
    steps.carry_on()
    newer.before = lambda method: None
    assert ImageUpgrade.objects.get().state == "rolled_back" and not newer.mail.copies
    reconcile.converge()
    assert Stack.load().phase == "disabled" and not newer.boxes and not newer.networks
    # Enabled again, it runs what it ran: the tag may name the image that has just been found bad.
    assert set(StackImage.objects.values_list("image_id", flat=True)) == before
    Stack.objects.update(enabled=True, phase="creating")
    reconcile.converge()
    assert {box.image_id for box in newer.boxes.values()} == before
    Stack.objects.update(enabled=False, purge=True, phase="stopping")
    reconcile.converge()
    assert not StackImage.objects.exists()


def test_changes_of_mailboxes_wait_until_it_has_ended(newer: StackEngine) -> None:
    requests.start()
    seen = []

    def push(method: str) -> None:
        newer.before = lambda method: None
        Stack.objects.update(desired_generation=9)
        reconcile.converge(fast=True)
        seen.append(Stack.load().applied_generation)

    newer.before = lambda method: push(method) if "qz-upgrade" in newer.networks else None
    steps.carry_on()
    assert seen and seen[0] < 9
    reconcile.converge(fast=True)
    assert Stack.load().applied_generation == 9


def test_apply_now_takes_newer_images_the_same_way(newer: StackEngine) -> None:
    reconcile.converge(quiet=True)
    assert len(Stack.load().pending) == 3
    control.allow_interruption()
    reconcile.converge(fast=True)
    steps.carry_on()
    assert ImageUpgrade.objects.get().state == "done" and Stack.load().pending == []
    check_settled(newer, NEW)
