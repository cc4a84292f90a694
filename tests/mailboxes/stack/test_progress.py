"""What the page sees of the work: phases, a percentage that never falls, and errors."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mailboxes.models import Stack
from mailboxes.stack import progress
from mailboxes.stack.blueprint import services
from mailboxes.stack.planning import Observation, observe
from quazzar.errors import PortTaken
from quazzar.models import FindingChange
from tests.mailboxes import factories
from tests.mailboxes.stackengine import HOSTNAME, StackEngine

pytestmark = pytest.mark.django_db

Phase = Stack.Phase
ERROR = PortTaken("Port 25 is taken.", hint="Stop exim.")
SHOWN = {"code": "port_taken", "message": "Port 25 is taken.", "hint": "Stop exim."}


@pytest.fixture
def on() -> None:
    factories.stack(enabled=True, hostname=HOSTNAME, phase=Phase.PREFLIGHT)


@pytest.fixture
def off() -> None:
    factories.stack(enabled=False, hostname=HOSTNAME, phase=Phase.STOPPING, percent=7)


def bar() -> tuple[str, int, int, int]:
    stack = Stack.load()
    return stack.phase, stack.step, stack.steps, stack.percent


# --- pure --------------------------------------------------------------------------------------------------
def test_each_phase_begins_where_the_one_before_ends() -> None:
    starts = [start for _, start in progress.STEPS.values()]
    assert starts == sorted(starts) and (starts[0], starts[-1]) == (0, 100)
    assert [step for step, _ in progress.STEPS.values()] == [1, 2, 3, 4, 5]


def test_a_part_of_a_phase_stays_within_it() -> None:
    for phase, after in pairwise(progress.STEPS):
        begin, end = progress.STEPS[phase][1], progress.STEPS[after][1]
        percents = [progress.part_of(phase, fraction) for fraction in (-1, 0, 0.4, 1, 7)]
        assert percents == sorted(percents) and (percents[0], percents[-1]) == (begin, end - 1), phase


# --- enabled -----------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("on")
def test_a_step_shows_its_number_percent_and_sentence() -> None:
    progress.begin(Phase.PULLING, "Fetching", 30)
    assert bar() == ("pulling", 2, 5, 30) and Stack.load().progress_message == "Fetching"


@pytest.mark.usefixtures("on")
def test_the_percent_never_falls() -> None:
    for percent in (30, 20, None):
        progress.begin(Phase.PULLING, "Fetching", percent)
    assert bar() == ("pulling", 2, 5, 30)


@pytest.mark.usefixtures("on")
def test_what_stood_in_the_way_goes_with_the_next_step() -> None:
    progress.failed(ERROR)
    progress.begin(Phase.PREFLIGHT, "Checking")
    assert Stack.load().last_error is None


@pytest.mark.usefixtures("on")
def test_a_sentence_of_any_length_fits() -> None:
    progress.begin(Phase.PULLING, "x" * 1000)
    assert len(Stack.load().progress_message) == 300


@pytest.mark.usefixtures("on")
def test_a_failure_leaves_the_percent_where_it_was() -> None:
    progress.begin(Phase.PULLING, "Fetching", 30)
    progress.failed(ERROR)
    assert bar() == ("failed", 2, 5, 30) and Stack.load().last_error == SHOWN


@pytest.mark.usefixtures("on")
def test_healthy_and_degraded_are_the_end_of_the_way() -> None:
    progress.degraded(ERROR)
    assert bar() == ("degraded", 5, 5, 100) and Stack.load().last_error == SHOWN
    progress.healthy()
    assert bar() == ("healthy", 5, 5, 100) and Stack.load().last_error is None


@pytest.mark.usefixtures("on")
def test_a_second_problem_is_in_the_history_although_the_first_one_still_lasts() -> None:
    second = PortTaken("The container qz-rspamd is not running.")
    for error in (ERROR, ERROR, second):
        progress.degraded(error)
    progress.healthy()
    told = FindingChange.objects.filter(check_name="stack").order_by("id")
    assert [change.sentence for change in told][-3:-1] == [ERROR.message, second.message]


@pytest.mark.usefixtures("on")
def test_brought_up_anew_it_starts_from_zero() -> None:
    progress.healthy()
    progress.restart()
    progress.begin(Phase.CREATING, "Creating")
    assert bar() == ("creating", 3, 5, 60)


@pytest.mark.usefixtures("on")
def test_an_enabled_stack_cannot_be_stopped() -> None:
    with pytest.raises(progress.Superseded):
        progress.stopping("Stopping")
    assert bar()[0] == "preflight"


# --- disabled meanwhile ------------------------------------------------------------------------------------
@pytest.mark.usefixtures("off")
def test_a_disabled_stack_cannot_be_brought_up() -> None:
    with pytest.raises(progress.Superseded):
        progress.begin(Phase.STARTING, "Starting")
    assert bar() == ("stopping", 0, 0, 7)


@pytest.mark.usefixtures("off")
def test_a_disabled_stack_becomes_neither_healthy_nor_failed() -> None:
    progress.healthy()
    progress.degraded(ERROR)
    progress.failed(ERROR)
    progress.restart()
    assert bar() == ("stopping", 0, 0, 7) and Stack.load().last_error is None


@pytest.mark.usefixtures("off")
def test_stopping_shows_what_it_does_and_what_stands_in_the_way() -> None:
    progress.stopping("Stopping postfix", ERROR)
    stack = Stack.load()
    assert (stack.phase, stack.progress_message, stack.last_error) == ("stopping", "Stopping postfix", SHOWN)


# --- what was seen -----------------------------------------------------------------------------------------
def test_what_was_seen_is_shown_with_ports(up: StackEngine) -> None:
    up.boxes["qz-postfix"].health = "unhealthy"
    wanted = services.for_hostname(HOSTNAME)
    progress.observed(wanted, observe(up, wanted))
    shown = {row["name"]: (row["status"], row["health"], row["ports"]) for row in Stack.load().services}
    assert shown == {
        "dovecot": ("running", "healthy", [143, 993]),
        "rspamd": ("running", "healthy", [11334]),
        "postfix": ("running", "unhealthy", [25, 465, 587]),
    }


def test_what_is_not_there_is_absent(enabled: StackEngine) -> None:
    wanted = services.for_hostname(HOSTNAME)
    progress.observed(wanted, Observation(None, frozenset(), {}, {}))
    assert {(row["status"], row["health"]) for row in Stack.load().services} == {("absent", "none")}
