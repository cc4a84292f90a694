"""Several connections at work: results, reconnection, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailrelay.smtp import opening
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Down, Envelope, Event, Job, Result, Target
from mailrelay.smtp.pipeline import _COVERED, IN_DOUBT, Pipeline, wanted
from mailrelay.smtp.pool import Pool
from tests.rig import wait_until
from tests.rig.ca import CertificateAuthority
from tests.rig.faults import HANG_UP, SILENCE, FaultServer, Script
from tests.rig.script import Answers, Reply

Serve = Callable[..., FaultServer]


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close_idle(0)


def run(server: FaultServer, pool: Pool, count: int, most: int = 4) -> tuple[Pipeline, list[Event]]:
    """Sends ``count`` mails and collects everything that happens."""
    pipeline = Pipeline(Target("127.0.0.1", server.port, "none"), pool, most)
    for key in range(count):
        pipeline.submit(
            Job(key, Envelope("a@example.org", (f"box{key}@example.com",), b"Subject: x\r\n\r\n"))
        )
    events: list[Event] = []
    while pipeline.outstanding and not (pipeline.alive == 0 and events):
        pipeline.grow()
        batch = pipeline.collect(5)
        pipeline.settle(sum(isinstance(event, Result) and event.in_doubt for event in batch))
        for event in batch:
            if isinstance(event, Down) and event.job:
                pipeline.outstanding -= 1
                pipeline.submit(event.job)
        events += batch
    pipeline.close()
    return pipeline, events


def job(key: int) -> Job:
    return Job(key, Envelope("a@example.org", ("b@example.com",), b"Subject: x\r\n\r\n"))


def results(events: list[Event]) -> list[Result]:
    return [event for event in events if isinstance(event, Result)]


def test_every_mail_is_sent_once(pool: Pool) -> None:
    with FaultServer() as server:
        _, events = run(server, pool, 60)
        assert {result.job.key for result in results(events)} == set(range(60))
        assert len(server.accepted) == 60


def test_the_further_the_relay_the_more_connections(subtests: pytest.Subtests) -> None:
    for answer_seconds, outstanding, connections in [
        (0.0, 40, 1),
        (0.001, 1, 1),
        (0.001, 2, 2),
        (0.001, 40, 3),
        (0.011, 40, 3),
        (0.03, 40, 4),
        (0.03, 3, 3),
        (0.03, 0, 1),
    ]:
        with subtests.test(answer_seconds=answer_seconds, outstanding=outstanding, connections=connections):
            assert wanted(answer_seconds, outstanding, most=4) == connections


@pytest.mark.slow
def test_a_far_relay_gets_all_connections(pool: Pool) -> None:
    with FaultServer(Script(latency=0.03)) as far:
        run(far, pool, 40)
        assert len(far.sessions) == 4


def test_a_connection_is_used_again_by_the_next_run(pool: Pool) -> None:
    with FaultServer() as server:
        run(server, pool, 5, most=1)
        run(server, pool, 5, most=1)
        assert len(server.sessions) == 1
        assert len(server.accepted) == 10


def test_a_relay_that_hangs_up_after_some_mails_loses_and_repeats_none(pool: Pool) -> None:
    script = Script(after_messages=(3, "421 4.7.0 Enough for this connection"))
    with FaultServer(script) as server:
        _, events = run(server, pool, 20)
        assert all(result.outcome.error is None for result in results(events))
        assert len(server.accepted) == 20
        assert len(server.sessions) >= 7


def test_a_kept_connection_that_died_meanwhile_is_replaced_silently(pool: Pool) -> None:
    with FaultServer() as server:
        run(server, pool, 1)
        server.stop()
        server.start()
        _, events = run(server, pool, 3)
        assert [result.outcome.error for result in results(events)] == [None] * 3


def test_a_connection_lost_after_the_body_fails_only_that_mail(pool: Pool) -> None:
    with FaultServer(Script(commands={".": [None, HANG_UP]})) as server:
        _, events = run(server, pool, 6, most=1)
        errors = [result.outcome.error for result in results(events) if result.outcome.error]
        assert [(error.kind, error.permanent) for error in errors] == [("closed", False)]
        assert len(server.accepted) == 5


def test_a_relay_that_does_not_answer_is_reported_once_and_jobs_stay(pool: Pool) -> None:
    server = FaultServer()
    pipeline, events = run(server, pool, 5)
    assert [type(event) for event in events] == [Down]
    assert pipeline.alive == 0


def test_a_result_is_told_while_the_server_is_silent_about_the_next_mail(pool: Pool) -> None:
    with FaultServer(Script(commands={".": [None, Reply("250 Ok", delay=1.0)]})) as server:
        pipeline = Pipeline(Target("127.0.0.1", server.port, "none"), pool, 1)
        for key in range(3):
            pipeline.submit(job(key))
        pipeline.grow()
        told: list[Result] = []
        while not told:
            told += results(pipeline.collect(5))
        assert [result.job.key for result in told] == [0]
        pipeline.close()


@pytest.mark.slow
def test_no_more_mails_are_in_doubt_than_promised(pool: Pool) -> None:
    with FaultServer() as server:
        pipeline = Pipeline(Target("127.0.0.1", server.port, "none"), pool, 4)
        for key in range(50):
            pipeline.submit(job(key))
        pipeline.grow()
        unsettled = 0
        while batch := pipeline.collect(0.5):
            unsettled += len(results(batch))
        assert unsettled == IN_DOUBT == len(server.accepted)
        pipeline.close()


@pytest.mark.slow
def test_each_connection_to_a_far_relay_after_the_first_thirteen_adds_one_mail_in_doubt(pool: Pool) -> None:
    with FaultServer(Script(latency=0.1)) as far:
        pipeline = Pipeline(Target("127.0.0.1", far.port, "none"), pool, _COVERED + 2)
        for key in range(50):
            pipeline.submit(job(key))
        unsettled = 0
        pipeline.grow()
        while batch := pipeline.collect(3):
            pipeline.grow()
            unsettled += len(results(batch))
        assert len(far.sessions) == _COVERED + 2
        assert unsettled == IN_DOUBT + 2 == len(far.accepted)
        pipeline.close()


@pytest.mark.slow
def test_how_many_connections_a_server_allows_is_remembered(pool: Pool) -> None:
    answers: Answers = [None, None, "421 4.7.0 Too many connections", "421 4.7.0 Too many connections"]
    with FaultServer(Script(latency=0.03, commands={"EHLO": answers})) as server:
        target = Target("127.0.0.1", server.port, "none")
        assert pool.connections(target, 25) == 25
        _, events = run(server, pool, 40)
        assert len(results(events)) == len(server.accepted) == 40
        assert pool.connections(target, 25) == 2
        assert pool.connections(target, 1) == 1
        before = len(server.sessions)
        run(server, pool, 40)
        assert len(server.sessions) == before  # the two that are open, and no try at a third
        assert pool.connections(Target("127.0.0.2", server.port, "none"), 25) == 25
        pool.remember_connections(target, 0)  # it takes nobody now
        assert pool.connections(target, 25) == 25


def test_a_silent_connection_holds_up_no_other(pool: Pool) -> None:
    # The answer to the third body never comes, at one of three connections. It has a mail announced behind it; all
    # others go on.
    with FaultServer(Script(commands={".": [None, None, SILENCE]})) as server:
        pipeline = Pipeline(Target("127.0.0.1", server.port, "none"), pool, 4)
        for key in range(8):
            pipeline.submit(job(key))
        told: list[Result] = []
        while len(told) < 6:
            pipeline.grow()
            told += results(pipeline.collect(5))
            pipeline.settle(1)
        assert all(result.outcome.error is None for result in told)
        assert (pipeline.outstanding, pipeline.alive) == (2, 3)
        pipeline.close()


def test_large_mails_go_out_over_tls_in_pieces(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = CertificateAuthority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    opening._tls_context.cache_clear()
    data = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 4 * 60_000 + b"\r\n"
    data = b"\r\n".join(data[first : first + 900] for first in range(0, len(data), 900)) + b"\r\n"
    with FaultServer(Script(certificate=authority.issue())) as server:
        pipeline = Pipeline(Target("localhost", server.port, "starttls"), pool, 4)
        for key in range(3):
            pipeline.submit(Job(key, Envelope("a@example.org", ("b@example.com",), data)))
        told: list[Result] = []
        while len(told) < 3:
            pipeline.grow()
            told += results(pipeline.collect(5))
        pipeline.close()
        assert [result.outcome.error for result in told] == [None] * 3
        assert [mail.content for mail in server.accepted] == [data] * 3
    opening._tls_context.cache_clear()


def test_a_connection_that_is_opened_too_late_waits_in_the_pool(pool: Pool) -> None:
    with FaultServer(Script(greeting=Reply("220 hello", delay=0.5))) as server:
        target = Target("127.0.0.1", server.port, "none")
        pipeline = Pipeline(target, pool, 1)
        pipeline.submit(job(1))
        pipeline.grow()
        pipeline.close()
        wait_until(lambda: bool(pool._idle), what="the connection in the pool")
        run(server, pool, 1)
        assert len(server.sessions) == 1


def test_an_owner_that_fails_leaves_no_half_of_a_mail(pool: Pool) -> None:
    with FaultServer(Script(commands={"RCPT": SILENCE})) as server:
        pipeline = Pipeline(Target("127.0.0.1", server.port, "none"), pool, 1)
        pipeline.submit(job(1))
        pipeline.grow()
        pipeline.collect(0.5)
        pipeline.close()  # does not wait for the server
        wait_until(lambda: server.sessions[0].ended, what="the end of the connection")
        assert server.accepted == []
        assert pool._idle == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("method", ["open", "begin", "finish"])
def test_a_fault_of_ours_is_no_endless_wait(pool: Pool, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def break_down(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Connection, method, break_down)
    with FaultServer() as server:
        _, events = run(server, pool, 1)
        assert isinstance(events[-1], Down)
        errors = [result.outcome.error for result in results(events)]
        assert [error and error.permanent for error in errors] == [False] * (method != "open")


def test_a_change_of_target_closes_the_old_connections(pool: Pool) -> None:
    with FaultServer() as old, FaultServer() as new:
        run(old, pool, 1)
        run(new, pool, 1)
        assert pool.take(Target("127.0.0.1", old.port, "none")) is None
