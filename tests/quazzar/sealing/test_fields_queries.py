"""The sealed field in queries: what would store or compare plain text is refused, the rest meets sealed bytes."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from django.core.exceptions import FieldError
from django.db import DatabaseError, models, transaction
from django.db.models import Case, Count, F, Value, When
from django.db.models.functions import Concat, Lower
from pytest_django.fixtures import Settings

from mailrelay.models import RelaySettings
from quazzar.errors import Unreadable
from quazzar.sealing import keyring
from quazzar.sealing.cipher import unseal
from quazzar.sealing.fields import SealedTextField
from quazzar.sealing.values import Sealed
from tests.quazzar.sealedrows import SECRET, opened, stored

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def key_file(settings: Settings, tmp_path: Path) -> Path:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"
    return tmp_path / "secrets.key"


@pytest.fixture
def relay() -> RelaySettings:
    return RelaySettings.objects.create(pk=1, host="smtp.example.com", password=SECRET)


Ask = Callable[[Any], Any]  # a queryset in, something to iterate over out
OTHER: Any = SealedTextField(context="tests.other")
UNSEALED = {
    "a column": F("username"),
    "itself": F("password"),
    "a function": Lower(Value(SECRET)),
    "a bare value": Value(SECRET),
    "a text value": Value(SECRET, output_field=models.TextField()),
    "a value sealed for another place": Value(SECRET, output_field=OTHER),
    "a column in a case": Case(When(pk=1, then=F("host"))),
    "a bare default": Case(When(pk=1, then=Value(None)), default=Value(SECRET)),
}


def test_what_the_database_would_compute_is_refused(subtests: pytest.Subtests, relay: RelaySettings) -> None:
    for expression in UNSEALED.values():
        with subtests.test(expression=expression):
            before = stored()
            relay.password = cast("Any", expression)
            for write in (
                partial(RelaySettings.objects.update, password=expression),
                relay.save,
                partial(RelaySettings.objects.bulk_update, [relay], ["password"]),
            ):
                with pytest.raises(FieldError, match="password is sealed"), transaction.atomic():
                    write()
            assert stored() == before


def test_a_query_cannot_look_into_it(subtests: pytest.Subtests, relay: RelaySettings) -> None:
    questions: list[Ask] = [
        lambda rows: rows.filter(password=SECRET),
        lambda rows: rows.filter(password=None),
        lambda rows: rows.filter(password__in=[SECRET]),
        lambda rows: rows.exclude(password__contains="h"),
        lambda rows: rows.get_or_create(password=SECRET),
    ]
    for ask in questions:
        with subtests.test(ask=ask), pytest.raises(FieldError, match="password is sealed"):
            list(ask(RelaySettings.objects.all()))


def test_a_query_that_names_it_reads_sealed_bytes_and_changes_nothing(
    subtests: pytest.Subtests, relay: RelaySettings
) -> None:
    questions: list[Ask] = [
        lambda rows: rows.order_by("password"),
        lambda rows: rows.order_by("host", "-password"),
        lambda rows: rows.order_by(F("password").desc()),
        lambda rows: rows.annotate(copied=F("password")),
        lambda rows: rows.annotate(copied=Lower("password")),
        lambda rows: rows.annotate(copied=Concat("password", "password")),
        lambda rows: rows.filter(username=F("password")),
        lambda rows: rows.annotate(number=Count("password")),
    ]
    for ask in questions:
        with subtests.test(ask=ask):
            before = stored()
            with suppress(DatabaseError), transaction.atomic():  # PostgreSQL has no lower() of bytes
                for row in ask(RelaySettings.objects.all()):
                    copied = getattr(row, "copied", None)
                    assert copied is None or copied == Sealed(SECRET) or not copied.readable
                    assert opened(row) == SECRET
            assert stored() == before


def test_what_an_expression_copies_elsewhere_is_sealed_and_opens_nowhere(relay: RelaySettings) -> None:
    [blob] = stored()
    RelaySettings.objects.update(username=F("password"))
    # SQLite keeps the bytes, PostgreSQL writes them in hex.
    assert RelaySettings.objects.values_list("username", flat=True).get() in (
        blob,
        f"\\x{(blob or b'').hex()}",
    )
    assert stored() == [blob] and opened(RelaySettings.load()) == SECRET
    with pytest.raises(Unreadable):
        unseal(blob or b"", "mailrelay.relay.username", keyring.current())


def test_a_query_can_ask_whether_it_is_there_and_fetch_it(
    subtests: pytest.Subtests, relay: RelaySettings
) -> None:
    questions: list[Ask] = [
        lambda rows: rows.filter(password__isnull=False),
        lambda rows: rows.filter(pk__in=RelaySettings.objects.filter(password__isnull=False)),
        lambda rows: rows.only("password"),
        lambda rows: rows.defer("password"),
        lambda rows: rows.order_by("host").distinct(),
        lambda rows: rows.annotate(has=Case(When(password__isnull=False, then=1))),
        lambda rows: RelaySettings.objects.raw("SELECT id, password FROM mailrelay_relaysettings"),
    ]
    for ask in questions:
        with subtests.test(ask=ask):
            assert [opened(row) for row in ask(RelaySettings.objects.all())] == [SECRET]


def test_values_are_sealed_values(relay: RelaySettings) -> None:
    assert RelaySettings.objects.values_list("password", flat=True).get() == Sealed(SECRET)
    assert RelaySettings.objects.values("password", "host").get()["password"] == Sealed(SECRET)
