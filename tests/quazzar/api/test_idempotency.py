"""Idempotency-Key: one mail however often the request comes, also at the same moment, also after a crash."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.urls import path
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from quazzar.api import idempotency
from quazzar.api.idempotency import idempotent
from quazzar.errors import RelayNotConfigured
from quazzar.models import Heartbeat, IdempotentRequest
from quazzar.rights import SEND
from quazzar.tasks import purge
from quazzar.urls import urlpatterns as product

ATOMIC, LONG = "/api/mail/atomic", "/api/mail/long"


def nothing() -> None: ...


#: What happens inside the handler, so that a test can step in.
inside: list[Callable[[], None]] = [nothing]


def work(request: Request) -> Response:
    """Stands for queueing a mail: each call is one more row."""
    row = Heartbeat.objects.create(name=f"mail {uuid4().hex}")
    inside[0]()
    return Response({"id": row.pk, "at": timezone.now()}, status=202)


class Atomic(APIView):
    rights: ClassVar = {"post": SEND}

    @idempotent(atomic=True)
    def post(self, request: Request) -> Response:
        return work(request)


class Long(Atomic):
    @idempotent(atomic=False)
    def post(self, request: Request) -> Response:
        return work(request)


urlpatterns = [path("api/mail/atomic", Atomic.as_view()), path("api/mail/long", Long.as_view()), *product]


@pytest.fixture(autouse=True)
def _views(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    yield
    inside[0] = nothing


def send(api: APIClient, address: str, body: Any = None, key: str | None = "k1") -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post(address, body or {"subject": "Disk"}, headers=headers)


def refuse() -> None:
    raise RelayNotConfigured


def crash() -> None:
    raise RuntimeError


@pytest.fixture(params=[ATOMIC, LONG])
def address(request: pytest.FixtureRequest) -> str:
    """Both ways of doing it must look the same from outside."""
    return str(request.param)


def test_the_same_again_is_the_first_answer_and_no_second_mail(api: APIClient, address: str) -> None:
    first, again = send(api, address), send(api, address)
    assert again.json() == first.json()
    assert (first.status_code, again.status_code) == (202, 202)
    assert "Idempotent-Replayed" not in first.headers
    assert again["Idempotent-Replayed"] == "true"
    assert Heartbeat.objects.count() == 1


def test_without_a_key_each_request_counts(api: APIClient, address: str) -> None:
    send(api, address, key=None)
    send(api, address, key=None)
    assert Heartbeat.objects.count() == 2
    assert not IdempotentRequest.objects.exists()


def test_the_same_key_with_another_body_is_a_conflict(api: APIClient, address: str) -> None:
    send(api, address)
    response = send(api, address, {"subject": "Other"})
    assert response.status_code == 409
    assert response.json()["error"] == "idempotency_conflict"
    assert Heartbeat.objects.count() == 1


def test_the_same_body_written_otherwise_is_the_same(api: APIClient, address: str) -> None:
    bodies = [b'{"a": 1, "b": [2]}', b'{"b":[2],"a":1}']
    for raw in bodies:
        api.post(address, raw, content_type="application/json", headers={"Idempotency-Key": "k"})
    assert Heartbeat.objects.count() == 1


def test_a_key_belongs_to_who_sent_it_and_where(
    api: APIClient, client_with: Any, operator: Any, address: str
) -> None:
    send(api, address)
    send(client_with(operator), address)
    send(api, LONG if address == ATOMIC else ATOMIC)
    assert Heartbeat.objects.count() == 3


@pytest.mark.slow
def test_a_session_has_keys_of_its_own(api: APIClient, operator: Any, address: str) -> None:
    session = APIClient()
    session.force_login(operator)
    for client in (api, session, session):
        send(client, address)
    assert Heartbeat.objects.count() == 2


def test_an_error_is_not_kept(api: APIClient, address: str) -> None:
    inside[0] = refuse
    assert send(api, address).status_code == 409
    assert not IdempotentRequest.objects.exists()
    inside[0] = nothing
    assert send(api, address).status_code == 202


def test_after_a_crash_the_request_may_come_again(api: APIClient, address: str) -> None:
    inside[0] = crash
    with pytest.raises(RuntimeError):
        send(api, address)
    inside[0] = nothing
    assert send(api, address).status_code == 202


def test_a_crash_leaves_nothing_of_work_that_is_rows(api: APIClient) -> None:
    inside[0] = crash
    with pytest.raises(RuntimeError):
        send(api, ATOMIC)
    assert not Heartbeat.objects.exists()


def test_a_response_that_is_an_error_is_not_kept(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        globals(), "work", lambda request: Response({"error": "x", "message": "y"}, status=409)
    )
    send(api, ATOMIC)
    send(api, LONG)
    assert not IdempotentRequest.objects.exists()


def test_after_a_day_the_key_is_free(api: APIClient, address: str) -> None:
    send(api, address)
    IdempotentRequest.objects.update(claimed_at=timezone.now() - timedelta(hours=23))
    assert send(api, address, {"subject": "Other"}).status_code == 409
    IdempotentRequest.objects.update(claimed_at=timezone.now() - timedelta(hours=24))
    assert send(api, address, {"subject": "Other"}).status_code == 202
    assert send(api, address, {"subject": "Other"})["Idempotent-Replayed"] == "true"
    assert Heartbeat.objects.count() == 2


def test_work_under_way_is_a_conflict_until_it_is_left_behind(api: APIClient) -> None:
    send(api, LONG)
    IdempotentRequest.objects.update(status=None, answer=None)
    response = send(api, LONG)
    assert response.status_code == 409
    assert "still being processed" in response.json()["message"]
    IdempotentRequest.objects.update(claimed_at=timezone.now() - idempotency.STALE)
    assert send(api, LONG).status_code == 202


def test_a_claim_that_was_taken_over_is_not_answered_by_the_first(api: APIClient) -> None:
    def be_overtaken() -> None:
        IdempotentRequest.objects.update(
            claimed_at=timezone.now() + timedelta(seconds=1), fingerprint="theirs"
        )

    inside[0] = be_overtaken
    send(api, LONG)
    row = IdempotentRequest.objects.get()
    assert (row.status, row.fingerprint) == (None, "theirs")


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\x7f", "a\tb"])
def test_a_key_that_cannot_be_is_refused(api: APIClient, address: str, key: str) -> None:
    response = send(api, address, key=key)
    assert response.status_code == 400
    assert "Idempotency-Key" in response.json()["fields"]
    assert not Heartbeat.objects.exists()


@pytest.mark.parametrize("key", ["x", "x" * 255, "9f1c-4e", "a b~!"])
def test_any_other_key_is_taken(api: APIClient, address: str, key: str) -> None:
    assert send(api, address, key=key).status_code == 202


def test_the_body_is_not_kept_and_cannot_be_guessed(api: APIClient, settings: Any) -> None:
    send(api, ATOMIC, {"subject": "hunter2"})
    first = IdempotentRequest.objects.get()
    assert "hunter2" not in str(IdempotentRequest.objects.values().get())
    settings.SECRET_KEY = "another"
    send(api, ATOMIC, {"subject": "hunter2"}, key="k2")
    assert IdempotentRequest.objects.get(key="k2").fingerprint != first.fingerprint


def test_a_malformed_body_is_400_before_anything_is_claimed(api: APIClient, address: str) -> None:
    response = api.post(address, b"{", content_type="application/json", headers={"Idempotency-Key": "k"})
    assert response.status_code == 400
    assert not IdempotentRequest.objects.exists()


def test_what_is_old_is_forgotten(api: APIClient) -> None:
    send(api, ATOMIC, key="old")
    IdempotentRequest.objects.update(claimed_at=timezone.now() - timedelta(hours=25))
    send(api, ATOMIC, key="new")
    purge()
    assert [row.key for row in IdempotentRequest.objects.all()] == ["new"]


def at_once(count: int, call: Callable[[], Any]) -> list[Any]:
    """The answers of this many threads that begin together."""
    answers: list[Any] = []
    begin = threading.Barrier(count)

    def one() -> None:
        begin.wait(timeout=30)
        try:
            answers.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return answers


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_eight_at_the_same_moment_are_one_mail_and_eight_answers(api: APIClient) -> None:
    answers = at_once(8, lambda: send(api, ATOMIC))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Heartbeat.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_long_work_is_done_by_one_while_the_others_are_refused(api: APIClient) -> None:
    others: list[Any] = []

    def meanwhile() -> None:
        inside[0] = nothing
        others.extend(at_once(3, lambda: send(api, LONG)))

    inside[0] = meanwhile
    first = send(api, LONG)
    assert first.status_code == 202
    assert [other.status_code for other in others] == [409, 409, 409]
    assert send(api, LONG).json() == first.json()
    assert Heartbeat.objects.count() == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", [ATOMIC, LONG])
def test_a_key_that_ran_out_is_renewed_once(api: APIClient, address: str) -> None:
    send(api, address)
    IdempotentRequest.objects.update(claimed_at=timezone.now() - timedelta(days=2))
    answers = at_once(6, lambda: send(api, address))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert Heartbeat.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_waits_for_the_commit_happens_once(api: APIClient) -> None:
    rung: list[int] = []
    inside[0] = lambda: transaction.on_commit(lambda: rung.append(1))
    send(api, ATOMIC)
    send(api, ATOMIC)
    assert rung == [1]
