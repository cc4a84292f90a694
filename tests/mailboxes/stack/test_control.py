"""The stack's settings: on and off, the certificate, passwords; each change asked for once and recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from mailboxes.certificates import pem
from mailboxes.certificates.settings import (
    refresh_certificate,
    upload_certificate,
    use_certificate_files,
    use_self_signed,
)
from mailboxes.dkim import keys as dkim
from mailboxes.models import DkimKey, Stack
from mailboxes.stack import control
from mailrelay.models import RelaySettings
from quazzar import doorbell
from quazzar.errors import AlreadyExists, InvalidFields, RelayNotConfigured
from quazzar.models import AuditEntry
from tests.mailboxes import factories
from tests.mailboxes.factories import opened
from tests.mailboxes.trials import case

pytestmark = pytest.mark.django_db

HOST = "mail.example.com"
Pair = tuple[str, str]


@pytest.fixture(scope="module")
def pair() -> Pair:
    """A certificate that fits the hostname, and its key."""
    return pem.self_signed(HOST)


@pytest.fixture(scope="module")
def other() -> Pair:
    """Another certificate that fits, and its key."""
    return pem.self_signed(HOST)


@pytest.fixture
def enabled(pair: Pair) -> Stack:
    """A stack that is enabled and healthy."""
    return factories.stack(
        enabled=True,
        hostname=HOST,
        phase="healthy",
        tls_certificate=pair[0],
        tls_key=pair[1],
        tls_expires_at=timezone.now() + timedelta(days=300),
        controller_password="plum-Tundra-77",
    )


@pytest.fixture
def files(tmp_path: Path, pair: Pair) -> tuple[Path, Path]:
    """The pair as files of an ACME client."""
    paths = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    write(paths, pair)
    return paths


def write(paths: tuple[Path, Path], pair: Pair) -> None:
    for path, text in zip(paths, pair, strict=True):
        path.write_text(text)


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def refused(call: Callable[[], object]) -> dict[str, list[str]]:
    with pytest.raises(InvalidFields) as caught:
        call()
    return caught.value.fields


# --- enable ------------------------------------------------------------------------------------------------
def test_enabling_asks_for_all_that_a_stack_needs() -> None:
    factories.stack(last_error={"code": "x", "message": "x", "hint": ""}, percent=80, phase="failed")
    row = control.enable(" Mail.Example.com. ")
    assert row == Stack.load()
    assert (row.enabled, row.hostname, row.phase, row.last_error, row.percent) == (
        True,
        HOST,
        "preflight",
        None,
        0,
    )
    assert (row.desired_generation, row.tls_source) == (1, "self_signed")
    assert pem.examine(row.tls_certificate, opened(row.tls_key), HOST, timezone.now()).not_after == (
        row.tls_expires_at
    )
    assert len(opened(row.controller_password)) >= 12
    assert actions() == ["stack.enabled"]


def test_the_hostname_is_fully_qualified() -> None:
    wrong: Any  # also what no surface passes
    for wrong in ("", "mail", "localhost", "192.0.2.1", "https://mail.example.com", "a b.example", None):
        with case(wrong):
            assert refused(partial(control.enable, wrong)).keys() == {"hostname"}
            assert not Stack.objects.filter(enabled=True).exists()


def test_enabling_again_changes_nothing(enabled: Stack, rung: list[str]) -> None:
    assert control.enable("MAIL.example.com").phase == "healthy"
    assert (Stack.load().desired_generation, actions(), rung) == (0, [], [])


def test_enabling_after_a_failed_start_tries_at_once_and_forgets_the_error(
    enabled: Stack, rung: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    Stack.objects.update(phase="failed", percent=60, last_error={"code": "x", "message": "x", "hint": ""})
    with django_capture_on_commit_callbacks(execute=True):
        row = control.enable(HOST)
    assert (row.phase, row.percent, row.last_error) == ("preflight", 0, None)
    assert (row, len(rung), actions()) == (Stack.load(), 1, [])


@pytest.mark.parametrize("phase", ["preflight", "pulling", "starting", "degraded"])
def test_enabling_what_is_under_way_or_ill_wakes_the_worker_and_changes_nothing(
    enabled: Stack, rung: list[str], phase: str, django_capture_on_commit_callbacks: Any
) -> None:
    error = {"code": "x", "message": "x", "hint": ""}
    Stack.objects.update(phase=phase, percent=60, last_error=error)
    with django_capture_on_commit_callbacks(execute=True):
        row = control.enable(HOST)
    assert (row.phase, row.percent, row.last_error, len(rung)) == (phase, 60, error, 1)


def test_disabling_again_what_does_not_stop_tries_at_once(
    enabled: Stack, rung: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    Stack.objects.update(
        enabled=False, phase="stopping", last_error={"code": "x", "message": "x", "hint": ""}
    )
    with django_capture_on_commit_callbacks(execute=True):
        assert control.disable().phase == "stopping"
    assert len(rung) == 1
    Stack.objects.update(phase="disabled")
    with django_capture_on_commit_callbacks(execute=True):
        assert control.disable().phase == "disabled"
    assert len(rung) == 1


def test_another_name_has_to_wait_until_it_is_disabled(enabled: Stack) -> None:
    with pytest.raises(AlreadyExists) as caught:
        control.enable("mx.example.com")
    assert (caught.value.code, caught.value.status) == ("stack_enabled", 409)
    control.disable()
    assert control.enable("mx.example.com").hostname == "mx.example.com"


def test_what_is_there_already_is_kept(pair: Pair) -> None:
    control.enable(HOST)
    before = Stack.load()
    control.disable()
    after = control.enable(HOST)
    assert after.tls_certificate == before.tls_certificate
    assert after.controller_password == before.controller_password


def test_another_name_gets_another_certificate_of_our_own_and_keeps_an_uploaded_one(
    enabled: Stack, pair: Pair
) -> None:
    control.disable()
    assert control.enable("mx.example.com").tls_certificate != pair[0]
    upload_certificate(*pair)
    control.disable()
    assert control.enable("mx2.example.com").tls_certificate == pair[0]


def test_domains_without_a_key_get_one_and_others_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dkim, "generate", lambda: dkim.KeyPair("new", "NEW"))
    factories.domain("a.example", applied_at=timezone.now())
    factories.domain("b.example", dkim_private_key="old", dkim_public_key="OLD")
    control.enable(HOST)
    a, b = DkimKey.objects.order_by("domain__name")
    assert (opened(a.private_key), a.public_key, a.domain.synced) == ("new", "NEW", False)
    assert (opened(b.private_key), b.public_key) == ("old", "OLD")


def test_enabling_gives_up_a_purge_that_was_not_done() -> None:
    factories.stack(hostname=HOST, purge=True, phase="stopping")
    assert not control.enable(HOST).purge


# --- disable -----------------------------------------------------------------------------------------------
def test_disabling_keeps_the_volumes(enabled: Stack) -> None:
    row = control.disable()
    assert (row.enabled, row.purge, row.phase, row.hostname) == (False, False, "stopping", HOST)
    assert (row.desired_generation, actions()) == (1, ["stack.disabled"])


@pytest.mark.parametrize("confirm", ["", "yes", "example.com"])
def test_a_purge_wants_the_hostname(enabled: Stack, confirm: str) -> None:
    assert HOST in refused(lambda: control.disable(purge=True, confirm=confirm))["confirm"][0]
    assert Stack.load().enabled
    row = control.disable(purge=True, confirm=f" {HOST.upper()} ")
    assert (row.enabled, row.purge, actions()) == (False, True, ["stack.purged"])


def test_disabling_what_is_off_changes_nothing(rung: list[str]) -> None:
    for purge in (False, True):
        assert control.disable(purge=purge).phase == "disabled"
    assert (Stack.load().desired_generation, actions(), rung) == (0, [], [])


def test_the_volumes_of_a_stack_that_is_off_can_go_later() -> None:
    factories.stack(hostname=HOST)
    row = control.disable(purge=True, confirm=HOST)
    assert (row.purge, row.phase, row.desired_generation) == (True, "stopping", 1)
    assert control.disable().purge


@pytest.mark.django_db(transaction=True)
def test_the_worker_is_called_once_it_is_committed_and_not_for_what_is_not(rung: list[str]) -> None:
    with transaction.atomic():
        control.enable(HOST)
        assert rung == []
    with pytest.raises(RuntimeError), transaction.atomic():
        control.disable()
        raise RuntimeError
    assert rung == ["stack"] and Stack.load().enabled


@pytest.mark.django_db(transaction=True)
def test_checks_that_had_nothing_to_check_run_soon_after_it_is_enabled_or_disabled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(doorbell, "ring", lambda task, *ids: heard.append(task))
    control.enable(HOST)
    control.disable()
    assert heard.count(doorbell.LOOK) == 2


# --- switches ----------------------------------------------------------------------------------------------
def test_only_what_is_given_changes(enabled: Stack, relay: RelaySettings, rung: list[str]) -> None:
    row = control.change(send_through_relay=True)
    assert (row.send_through_relay, row.warn_mailbox_owners, row.desired_generation) == (True, False, 1)
    row = control.change(warn_mailbox_owners=True)
    assert (row.send_through_relay, row.warn_mailbox_owners, row.desired_generation) == (True, True, 1)
    control.change(send_through_relay=True, warn_mailbox_owners=None)
    assert [*AuditEntry.objects.order_by("id").values_list("fields", flat=True)] == [
        ["send_through_relay"],
        ["warn_mailbox_owners"],
    ]


def test_mail_cannot_leave_through_a_relay_that_is_not_set(enabled: Stack) -> None:
    with pytest.raises(RelayNotConfigured):
        control.change(send_through_relay=True, warn_mailbox_owners=True)
    assert not Stack.load().warn_mailbox_owners
    assert not control.change(send_through_relay=False).send_through_relay


def test_a_new_controller_password_is_another_one(enabled: Stack) -> None:
    row = control.new_controller_password()
    assert opened(row.controller_password) != "plum-Tundra-77"
    entry = AuditEntry.objects.get()
    assert (entry.fields, row.desired_generation) == (["controller_password"], 1)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_interruption_is_allowed_once(rung: list[str]) -> None:
    assert control.allow_interruption().interruption_allowed
    control.allow_interruption()
    assert (rung, actions()) == (["stack"], ["stack.interruption_allowed"])


# --- certificate -------------------------------------------------------------------------------------------
def test_an_uploaded_pair_replaces_the_one_that_is_there(enabled: Stack, other: Pair) -> None:
    facts = upload_certificate(*other)
    row = Stack.load()
    assert (row.tls_source, row.tls_certificate, opened(row.tls_key)) == ("uploaded", *other)
    assert (row.tls_expires_at, row.desired_generation) == (facts.not_after, 1)
    assert actions() == ["stack.certificate_changed"]
    assert "PRIVATE" not in str(AuditEntry.objects.values())


def test_a_pair_that_is_none_is_refused_and_the_old_one_stays(
    enabled: Stack, pair: Pair, other: Pair
) -> None:
    wrong = [(pair[0], other[1]), ("nothing", pair[1]), (pair[0], "nothing"), (pair[0], "x" * 300_000)]
    for pair_of_texts in wrong:
        fields = refused(partial(upload_certificate, *pair_of_texts))
        assert fields.keys() <= {"certificate", "key"}
    assert (Stack.load().tls_certificate, Stack.load().desired_generation) == (pair[0], 0)


def test_a_pair_is_read_from_files(enabled: Stack, files: tuple[Path, Path], pair: Pair) -> None:
    use_certificate_files(f" {files[0]} ", str(files[1]))
    row = Stack.load()
    assert (row.tls_source, row.tls_certificate, opened(row.tls_key)) == ("files", *pair)
    assert (row.tls_certificate_path, row.tls_key_path) == (str(files[0]), str(files[1]))


def test_files_that_cannot_be_used_are_refused(enabled: Stack, files: tuple[Path, Path], other: Pair) -> None:
    certificate, key = map(str, files)
    directory = str(files[0].parent)
    for wrong in ("", "fullchain.pem", f"{directory}/absent.pem", directory, "/dev/zero", "/\0"):
        fields = refused(partial(use_certificate_files, wrong, wrong))
        assert fields.keys() == {"certificate_path", "key_path"}
    files[1].write_text(other[1])
    fields = refused(lambda: use_certificate_files(certificate, key))
    assert fields.keys() <= {"certificate_path", "key_path"}
    assert Stack.load().tls_source == "self_signed"


def test_going_back_to_our_own_forgets_the_files(
    enabled: Stack, files: tuple[Path, Path], pair: Pair
) -> None:
    use_certificate_files(*map(str, files))
    assert use_self_signed() is not None
    row = Stack.load()
    assert (row.tls_source, row.tls_certificate_path, row.tls_key_path) == ("self_signed", "", "")
    assert row.tls_certificate != pair[0]


def test_without_a_hostname_our_own_is_made_when_the_stack_is_enabled() -> None:
    assert use_self_signed() is None
    assert control.enable(HOST).tls_certificate


# --- renewing ----------------------------------------------------------------------------------------------
def refreshed(changed: bool, **later: Any) -> str:
    """Refreshes the certificate that much later, checks whether it changed, and returns the problem, if any."""
    before = Stack.load()
    renewal = refresh_certificate(timezone.now() + timedelta(**later))
    after = Stack.load()
    assert renewal.changed == changed == (before.tls_certificate != after.tls_certificate)
    assert (after.desired_generation > before.desired_generation) == changed
    return renewal.problem


def test_our_own_is_renewed_before_its_end_is_warned_of(enabled: Stack) -> None:
    # 397 days, a third of which is 132; renewed two days before that.
    assert not refreshed(False, days=262)
    assert not refreshed(True, days=263)
    assert not refreshed(False, days=262)


def test_nothing_is_made_for_a_stack_that_never_was() -> None:
    assert not refreshed(False)


def test_files_are_read_again_when_they_change(enabled: Stack, files: tuple[Path, Path], other: Pair) -> None:
    use_certificate_files(*map(str, files))
    assert not refreshed(False)
    write(files, other)
    assert not refreshed(True)
    assert opened(Stack.load().tls_key) == other[1]


def test_files_that_broke_leave_the_old_pair_in_force(
    enabled: Stack, files: tuple[Path, Path], other: Pair
) -> None:
    use_certificate_files(*map(str, files))
    files[1].write_text(other[1])
    assert refreshed(False)
    files[0].unlink()
    assert str(files[0]) in refreshed(False)


def test_another_choice_meanwhile_is_not_overruled(
    enabled: Stack, files: tuple[Path, Path], pair: Pair, other: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_certificate_files(*map(str, files))
    write(files, other)
    examine = pem.examine

    def slow(*arguments: Any) -> Any:
        monkeypatch.undo()
        upload_certificate(*pair)
        return examine(*arguments)

    monkeypatch.setattr(pem, "examine", slow)
    assert not refresh_certificate().changed
    assert (Stack.load().tls_source, Stack.load().tls_certificate) == ("uploaded", pair[0])


def test_an_uploaded_pair_is_left_alone_also_at_its_end(enabled: Stack, other: Pair) -> None:
    upload_certificate(*other)
    assert not refreshed(False, days=5000)


def test_a_key_that_cannot_be_opened_is_replaced_or_told(
    enabled: Stack, pair: Pair, settings: Any, tmp_path: Path
) -> None:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "first.key"
    upload_certificate(*pair)
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "second.key"
    assert "Upload the certificate and key again" in refreshed(False)
    factories.stack(tls_source="self_signed")
    assert not refreshed(True)
