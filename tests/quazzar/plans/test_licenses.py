"""Licences: checked offline, in force at once, refused with a sentence that says why."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from quazzar.errors import LicenseError
from quazzar.models import AuditEntry
from quazzar.plans import keys, licenses
from quazzar.plans.plans import Plan

VENDOR = Ed25519PrivateKey.generate()
RAW = VENDOR.public_key().public_bytes_raw()
PEM = VENDOR.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
DER = VENDOR.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)


@pytest.fixture
def node(settings: Any, tmp_path: Path, db: None) -> Path:
    """A node of its own: no licence, no evaluation key, no vendor's key; its data dir."""
    settings.QUAZZAR_DATA_DIR = tmp_path
    settings.QUAZZAR_LICENSE_FILE = tmp_path / "license.jwt"
    settings.QUAZZAR_LICENSE_PUBLIC_KEY = ""
    return tmp_path


@pytest.fixture
def vendor(node: Path, settings: Any) -> Path:
    """The same, trusting the vendor's key."""
    settings.QUAZZAR_LICENSE_PUBLIC_KEY = PEM.decode()
    return node


def token(key: Any = VENDOR, alg: str = "EdDSA", **changes: Any) -> str:
    claims: dict[str, Any] = {"plan": "business", "exp": int(time.time()) + 3600, "sub": "acme", **changes}
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm=alg)


def test_without_a_licence_the_node_is_on_community(node: Path) -> None:
    licence = licenses.read()
    assert (licence.plan, licence.code) == (Plan.COMMUNITY, "license_missing")
    assert "No licence is installed" in licence.problem


def test_an_installed_licence_is_in_force(vendor: Path) -> None:
    installed = licenses.install(token())
    assert licenses.read() == installed
    assert (installed.plan, installed.subject, installed.problem) == (Plan.BUSINESS, "acme", "")


def test_a_licence_without_sub_counts(vendor: Path) -> None:
    assert licenses.verify(token(sub=None)).plan == Plan.BUSINESS


def test_space_around_a_pasted_licence_does_not_matter(vendor: Path) -> None:
    licenses.install(f"\n  {token()}\r\n")
    assert licenses.read().plan == Plan.BUSINESS


def test_the_file_is_readable_by_its_owner_alone(vendor: Path) -> None:
    licenses.install(token())
    assert licenses.path().stat().st_mode & 0o777 == 0o600
    assert [file.name for file in vendor.iterdir()] == ["license.jwt"]


def test_the_public_key_comes_in_any_usual_form(subtests: pytest.Subtests, node: Path, settings: Any) -> None:
    for setting in [
        PEM.decode(),
        PEM.decode().replace("\n", "\\n"),
        base64.b64encode(RAW).decode(),
        base64.urlsafe_b64encode(RAW).decode().rstrip("="),
        base64.b64encode(DER).decode(),
        RAW.hex(),
        RAW.hex().upper(),
    ]:
        for in_file in [False, True]:
            with subtests.test(setting=setting, in_file=in_file):
                (node / "key.pub").write_text(setting + "\n")
                settings.QUAZZAR_LICENSE_PUBLIC_KEY = str(node / "key.pub") if in_file else setting
                assert licenses.install(token()).plan == Plan.BUSINESS
                assert licenses.read().plan == Plan.BUSINESS


def other_public_key() -> str:
    public = generate_private_key(SECP256R1()).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


PRIVATE_PEM = VENDOR.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


def test_a_public_key_that_is_none_lets_nothing_count(
    subtests: pytest.Subtests, node: Path, settings: Any
) -> None:
    for setting in [
        "nonsense",
        "/no/such/file",
        "AAAA",
        "ff" * 31,
        other_public_key(),
        PRIVATE_PEM,
        "~nobody-here/k",
    ]:
        with subtests.test(setting=setting):
            licenses.path().write_text(token())
            settings.QUAZZAR_LICENSE_PUBLIC_KEY = setting
            licence = licenses.read()
            assert licence.plan == Plan.COMMUNITY
            assert licence.code == "license_no_key"
            assert "QUAZZAR_LICENSE_PUBLIC_KEY" in licence.problem
            assert setting not in licence.problem


def test_a_public_key_changed_on_disk_counts_at_once(node: Path, settings: Any) -> None:
    file = node / "key.pub"
    settings.QUAZZAR_LICENSE_PUBLIC_KEY = str(file)
    file.write_bytes(PEM)
    licenses.install(token())
    assert licenses.read().plan == Plan.BUSINESS
    file.write_text(Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex())
    assert licenses.read().code == "license_tampered"


def with_claims(text: str, **claims: Any) -> str:
    """The licence with other claims under the old signature."""
    head, body, signature = text.split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "==")) | claims
    changed = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


def hour_ago() -> int:
    return int(time.time()) - 3600


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: token(exp=hour_ago()), "license_expired"),
    "expires now": (lambda: token(exp=int(time.time())), "license_expired"),
    "not begun": (lambda: token(nbf=int(time.time()) + 600), "license_not_started"),
    "other claims": (lambda: with_claims(token(), plan="enterprise"), "license_tampered"),
    "another signer": (lambda: token(Ed25519PrivateKey.generate()), "license_tampered"),
    "no signature": (lambda: token("", alg="none"), "license_tampered"),
    "the public key as HMAC secret": (lambda: token(RAW, alg="HS256"), "license_tampered"),
    "unknown plan": (lambda: token(plan="galactic"), "license_unknown_plan"),
    "plan is no word": (lambda: token(plan=["pro"]), "license_unknown_plan"),
    "no plan": (lambda: token(plan=None), "license_tampered"),
    "no exp": (lambda: token(exp=None), "license_tampered"),
    "exp is no time": (lambda: token(exp="tomorrow"), "license_tampered"),
    "exp is true": (lambda: token(exp=True), "license_tampered"),
    "exp beyond the calendar": (lambda: token(exp=10**18), "license_tampered"),
    "cut": (lambda: token()[:-9], "license_tampered"),
    "empty": (str, "license_tampered"),
    "no licence": (lambda: "hello", "license_tampered"),
    "binary": (lambda: "\x00\ufffd.\udcff", "license_tampered"),
    "huge": (lambda: token(sub="x" * 70_000), "license_tampered"),
}


def test_a_licence_that_does_not_count_is_refused_and_says_why(
    subtests: pytest.Subtests, vendor: Path
) -> None:
    for case, (make, code) in REFUSED.items():
        with subtests.test(case=case):
            licenses.install(token())
            with pytest.raises(LicenseError) as caught:
                licenses.install(make())
            assert caught.value.code == code
            assert caught.value.message.endswith(".")
            assert licenses.read().plan == Plan.BUSINESS


def test_such_a_licence_on_disk_means_community(subtests: pytest.Subtests, vendor: Path) -> None:
    for case, (make, code) in REFUSED.items():
        with subtests.test(case=case):
            licenses.path().write_text(make(), errors="replace")
            licence = licenses.read()
            assert (licence.plan, licence.code) == (Plan.COMMUNITY, code)


def test_a_licence_expires_while_it_is_in_memory(vendor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    licenses.install(token())
    backdate()
    assert licenses.read().plan == Plan.BUSINESS
    later = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr(licenses, "datetime", type("Clock", (), {"now": lambda _: later}))
    assert licenses.read().code == "license_expired"


def backdate() -> None:
    """Old enough to be kept in memory."""
    deadline = time.monotonic() + 10
    while not licenses._stamp()[1] and time.monotonic() < deadline:
        time.sleep(0.01)


def test_an_unchanged_licence_is_parsed_once(vendor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    licenses.install(token())
    backdate()
    licenses.read()
    monkeypatch.setattr(licenses, "_read_file", lambda: pytest.fail("parsed again"))
    assert licenses.read().plan == Plan.BUSINESS


def test_every_change_is_in_force_at_once(vendor: Path) -> None:
    for plan in ["pro", "business", "enterprise", "pro", "enterprise"]:
        licenses.install(token(plan=plan))
        assert licenses.read().plan.id == plan
    assert licenses.remove()
    assert licenses.read().plan == Plan.COMMUNITY


def test_a_change_by_another_process_is_in_force_at_once(vendor: Path) -> None:
    licenses.install(token())
    assert licenses.read().plan == Plan.BUSINESS
    for plan in ["pro", "enterprise"]:
        script = f"open({str(licenses.path())!r}, 'w').write({token(plan=plan)!r})"
        subprocess.run([sys.executable, "-c", script], check=True)
        assert licenses.read().plan.id == plan


def test_removing_nothing_is_no_error(vendor: Path) -> None:
    assert not licenses.remove()


def test_a_trial_puts_its_plan_in_force(subtests: pytest.Subtests, node: Path) -> None:
    for plan in ["community", "pro", "business", "enterprise"]:
        with subtests.test(plan=plan):
            licence = licenses.trial(plan, 30)
            assert licenses.read().plan.id == plan
            assert licence.expires_at is not None
            assert timedelta(days=29) < licence.expires_at - datetime.now(UTC) <= timedelta(days=30)


def test_the_evaluation_key_is_private_and_made_once(node: Path) -> None:
    licenses.trial("pro", 1)
    file = keys.evaluation_key_file()
    content = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    licenses.trial("business", 1)
    assert file.read_text() == content


def test_a_trial_does_not_count_beside_a_vendors_key(node: Path, settings: Any) -> None:
    licenses.trial("pro", 1)
    settings.QUAZZAR_LICENSE_PUBLIC_KEY = PEM.decode()
    assert licenses.read().code == "license_other_key"
    assert "Evaluation" in licenses.read().problem


def test_a_trial_is_not_made_beside_a_vendors_key(vendor: Path) -> None:
    with pytest.raises(LicenseError, match="are not accepted"):
        licenses.trial("pro", 1)
    assert not licenses.path().exists()


def test_a_trial_of_another_node_does_not_count(node: Path, settings: Any) -> None:
    licenses.trial("pro", 1)
    keys.evaluation_key_file().unlink()
    assert licenses.read().code == "license_tampered"


def test_an_evaluation_key_cut_short_is_not_used(node: Path) -> None:
    keys.evaluation_key_file().write_text("")
    with pytest.raises(LicenseError, match="cut short"):
        licenses.trial("pro", 1)


def test_an_impossible_trial_is_refused(subtests: pytest.Subtests, node: Path) -> None:
    for plan, days in [("galactic", 30), ("pro", 0), ("pro", -1), ("pro", 10**9)]:
        with subtests.test(plan=plan, days=days), pytest.raises(LicenseError):
            licenses.trial(plan, days)


def test_a_licence_that_cannot_be_read_is_community(vendor: Path) -> None:
    licenses.path().mkdir()
    assert licenses.read().code == "license_unreadable"


def test_a_licence_that_cannot_be_written_is_an_error(vendor: Path, settings: Any) -> None:
    (vendor / "file").write_text("")
    settings.QUAZZAR_LICENSE_FILE = vendor / "file" / "license.jwt"
    with pytest.raises(LicenseError, match="cannot be written"):
        licenses.install(token())


def test_changes_are_in_the_audit_log(vendor: Path) -> None:
    licenses.install(token())
    licenses.remove()
    actions = AuditEntry.objects.order_by("id").values_list("action", "target")
    assert list(actions) == [("license.installed", "business"), ("license.removed", "")]


def run(*args: str) -> str:
    out = StringIO()
    call_command("license", *args, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command_installs_shows_and_removes(vendor: Path) -> None:
    (vendor / "mine.jwt").write_text(token())
    assert "Plan: business (Orbit Business)" in run("install", str(vendor / "mine.jwt"))
    assert "Issued to: acme" in run("show")
    assert "Plan: community" in run("remove")
    assert "No licence is installed" in run("show")


def test_the_command_makes_a_trial_of_pro_for_30_days(node: Path) -> None:
    assert "Plan: pro" in run("trial")
    assert "Plan: enterprise" in run("trial", "--plan", "enterprise", "--days", "2")


def test_the_command_says_that_a_licence_expired(vendor: Path) -> None:
    licenses.path().write_text(token(exp=hour_ago()))
    shown = run("show")
    assert "Plan: community" in shown
    assert "Expired: " in shown


def test_the_command_refuses_with_the_sentence(vendor: Path) -> None:
    (vendor / "bad.jwt").write_text(token(plan="galactic"))
    with pytest.raises(CommandError, match="does not know"):
        run("install", str(vendor / "bad.jwt"))
    with pytest.raises(CommandError, match="cannot be read"):
        run("install", str(vendor / "absent.jwt"))


def test_the_command_reads_stdin(vendor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(token()))
    assert "Plan: business" in run("install", "-")


def test_a_licence_counts_where_the_database_does_not_answer(
    vendor: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def fail(*_: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr("quazzar.access.audit.record", fail)
    licenses.install(token())
    assert licenses.read().plan == Plan.BUSINESS
    assert "audit log" in caplog.text


def test_a_folder_for_the_licence_is_made(vendor: Path, settings: Any) -> None:
    settings.QUAZZAR_LICENSE_FILE = vendor / "new" / "license.jwt"
    licenses.install(token())
    assert [file.name for file in (vendor / "new").iterdir()] == ["license.jwt"]
