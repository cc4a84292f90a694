"""Parts of the stack fail, are changed by hand, or its worker is killed: no mail is lost, and everything is repaired.

The product is started, and the stack enabled, once for all of it: by the first test, and the last one disables it.
"""

from __future__ import annotations

import contextlib
import imaplib
import io
import os
import random
import signal
import smtplib
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest

from mailboxes.provisioning import passwords
from tests.live.mailstack import HOSTNAME, MailStack
from tests.live.mailworld import World, outside
from tests.live.puppets import SEED, kill_worker
from tests.live.watching import ProgressWatch, TableWatch, UsersWatch
from tests.quazzar.nodes import wait_until
from tests.rig.daemon import project
from tests.rig.mailclients import Answer, Login, deliver, imap_login, mail, messages, wait_for_message
from tests.rig.standins import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

    from tests.rig.daemon import Daemon
    from tests.rig.images import Images
    from tests.rig.standins import Sink

pytestmark = [pytest.mark.real, pytest.mark.thorough]

OURS, TO = "faults.test", "friend@far.test"
#: How often the worker is killed during that; its supervisor waits longer after each kill.
ENABLING, CHANGING, DISABLING = 2, 2, 1
#: The sweep looks every 20 seconds, and Rspamd takes up to 18 to get healthy; more, because the machine is shared.
REPAIRED = 150.0


@pytest.fixture(scope="module")
def stack(
    docker_daemon: Daemon,
    docker_client: docker.DockerClient,
    stack_images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MailStack]:
    """A product of its own, because its containers are stopped. Its Postfix comes from an image that can change."""
    print(f"KILL_SEED={SEED}")
    directory = tmp_path_factory.mktemp("faults")
    with project(docker_daemon) as name:
        postfix = f"{name}:postfix"
        docker_client.images.get(stack_images.postfix).tag(postfix)
        try:
            with MailStack(
                directory, docker_client, stack_images, name, QUAZZAR_IMAGE_POSTFIX=postfix
            ) as stack:
                yield stack
        finally:
            docker_client.images.remove(postfix, force=True)


@pytest.fixture(scope="module")
def chance() -> random.Random:
    """The moments at which the worker is killed."""
    return random.Random(SEED)


@pytest.fixture(scope="module")
def world(stack: MailStack) -> World:
    """Enabled already by the first test, unless it is left out."""
    if stack.state()["phase"] != "healthy":
        stack.enable()
    return World(stack, OURS)


@pytest.fixture
def far(world: World, stack_images: Images) -> Iterator[Sink]:
    """A server elsewhere; no longer on the stack's network when that is to be removed."""
    with outside(world.stack, stack_images, ["far.test"]) as sink:
        yield sink


def send(world: World, subject: str) -> Answer:
    """From outside to Bob, whom all mail that was accepted must reach exactly once."""
    return deliver(world.server, mail(subject, to=world.bob.address), world.bob.address)


def delivered(world: World, subject: str) -> bool:
    """Whether it is accepted; False while nobody answers."""
    try:
        return send(world, subject).accepted
    except OSError:
        return False


def got(world: World, *subjects: str) -> None:
    """Bob gets each of these, once."""
    for subject in subjects:
        wait_for_message(world.server, world.bob.login, subject, within=120)
    found = Counter(each["Subject"] for each in messages(world.server, world.bob.login))
    assert {subject: found[subject] for subject in subjects} == dict.fromkeys(subjects, 1)


def leave_in_queue(world: World, subject: str) -> None:
    """Leave mail for Bob in Postfix's queue, accepted before anything breaks."""
    letter = f"Subject: {subject}\\n\\nwaiting"
    world.stack.inside(
        "postfix", "sh", "-c", f"printf '{letter}' | sendmail -f alice@{OURS} {world.bob.address}"
    )


def lets_in(world: World, login: Login) -> bool:
    """Whether he is let in; False while nobody answers."""
    try:
        return imap_login(world.server, login)
    except (OSError, imaplib.IMAP4.error):
        return False


def reported(world: World) -> str:
    """The error code that the API shows; empty when there is none."""
    return str((world.stack.state()["last_error"] or {}).get("code", ""))


# --- its worker is killed: enabling ------------------------------------------------------------------------
def test_a_stack_whose_worker_is_killed_is_enabled_all_the_same(
    stack: MailStack, chance: random.Random
) -> None:
    with ProgressWatch(stack.data):
        stack.expect(202, "POST", "/api/mail/stack/enable", {"hostname": HOSTNAME})
        for _ in range(ENABLING):
            kill_worker(stack, 8.0, chance)
        stack.wait_phase("healthy")
    stack.check_parts("healthy")


# --- 10: one of the three is down --------------------------------------------------------------------------
def test_without_rspamd_mail_comes_later_and_it_is_started_again(world: World) -> None:
    world.stack.container("rspamd").stop(timeout=1)
    assert send(world, "without rspamd").code == 451
    # Senders get this reply even before they log in.
    with pytest.raises(smtplib.SMTPResponseException, match="454"):
        world.submit("submitted without rspamd", world.bob.address)
    wait_until(lambda: delivered(world, "with rspamd"), "Rspamd is back", REPAIRED)
    assert wait_for_message(world.server, world.bob.login, "with rspamd")["X-Spamd-Bar"]
    world.stack.wait_phase("healthy")
    got(world, "with rspamd")
    refused = {"without rspamd", "submitted without rspamd"}
    assert not refused & {each["Subject"] for each in messages(world.server, world.bob.login)}


def test_without_dovecot_mail_waits_and_it_is_started_again(world: World) -> None:
    world.stack.container("dovecot").stop(timeout=5)
    answer = send(world, "without dovecot")
    assert (answer.stage, answer.code) == ("rcpt", 451), answer
    leave_in_queue(world, "accepted without dovecot")
    wait_until(lambda: lets_in(world, world.alice.login), "Dovecot is back", REPAIRED)
    wait_until(lambda: delivered(world, "with dovecot"), "mail is accepted again", 30)
    world.stack.inside("postfix", "postqueue", "-f")
    got(world, "accepted without dovecot", "with dovecot")
    assert world.submit("submitted with dovecot", world.bob.address).accepted
    got(world, "submitted with dovecot")
    world.stack.wait_phase("healthy")
    assert messages(world.server, world.alice.login) == [], "a bounce"


def test_a_postfix_whose_master_died_is_started_again(world: World) -> None:
    before = world.stack.started()
    world.stack.inside(
        "postfix", "sh", "-c", 'kill -9 "$(cat "$(postconf -h queue_directory)/pid/master.pid")"'
    )
    wait_until(lambda: not delivered(world, "while the master dies"), "nobody answers", 20)
    wait_until(lambda: reported(world) == "not_healthy", "the API says so", 60)
    wait_until(lambda: delivered(world, "after the master"), "Postfix is back", REPAIRED)
    world.stack.wait_phase("healthy")
    after = world.stack.started()
    assert [service for service in before if before[service] != after[service]] == ["postfix"]
    got(world, "after the master")


# --- what would interrupt mail is shown first --------------------------------------------------------------
def test_another_image_waits_for_the_operator_and_takes_the_queue_along(
    world: World, far: Sink, docker_client: docker.DockerClient, stack_images: Images
) -> None:
    far.answer("RCPT", "451 4.3.0 later")
    assert world.submit("still in the queue", TO).accepted
    wait_until(lambda: "later" in world.stack.inside("postfix", "postqueue", "-p"), "it waits", 30)
    recipe = f"FROM {stack_images.postfix}\nLABEL another=one\n".encode()
    docker_client.images.build(fileobj=io.BytesIO(recipe), tag=f"{world.stack.project}:postfix", rm=True)
    before = world.stack.started()
    told = world.stack.run("manage.py", "reconcile")
    assert told.returncode == 1
    (sentence,) = world.stack.state()["pending"]
    assert "postfix" in sentence
    assert f"Waiting for your approval because it interrupts mail: {sentence}".encode() in told.stdout
    assert world.stack.started() == before
    far.answer("RCPT", None)
    world.stack.expect(202, "POST", "/api/mail/stack/repair")
    wait_until(lambda: upgraded(world) == "done", "the images are upgraded", 300)
    assert [each.message["Subject"] for each in far.wait_for(1, 120)] == ["still in the queue"]
    world.stack.wait_phase("healthy")
    assert world.stack.started() != before
    assert world.stack.state()["pending"] == []


def upgraded(world: World) -> str:
    """How the upgrade that the repair has begun stands."""
    upgrade = world.stack.expect(200, "GET", "/api/mail/stack/images")["upgrade"]
    return str(upgrade and upgrade["state"])


# --- changed by hand ---------------------------------------------------------------------------------------
def test_what_was_changed_by_hand_is_shown_and_put_right(world: World) -> None:
    nothing_differs(world)
    before = world.stack.started()
    # The sweep, which looks every two minutes, may put some or all of it right before anybody has seen it.
    names = (b"users", b"domains", b"relayhost", b"dkim/keys/faults.test.quazzar")
    tries = [changed_by_hand(world)]
    while len(tries) < 3 and not all(name in tries[-1].stdout for name in names):
        tries.append(changed_by_hand(world))
    assert tries[-1].returncode == 1
    assert all(name in tries[-1].stdout for name in names), [each.stdout for each in tries]
    assert world.stack.manage("reconcile").endswith(("Repaired.\n", "No differences.\n"))
    wait_until(lambda: not lets_in(world, intruder(world)), "the intruder is out", 10)
    assert lets_in(world, world.alice.login)
    assert world.stack.inside("postfix", "postconf", "-h", "relayhost").strip() == ""
    assert deliver(world.server, mail("x"), "victim@elsewhere.test").code == 554
    assert world.stack.started() == before
    nothing_differs(world)


def test_mail_that_was_restored_as_root_is_given_back(world: World) -> None:
    home = f"/srv/vmail/{world.alice.address.partition('@')[2]}/alice"
    assert deliver(world.server, mail("before the restore"), world.alice.address).accepted
    wait_for_message(world.server, world.alice.login, "before the restore")
    world.stack.inside("dovecot", "bash", "-c", f"chown -R 0:0 {home}; ln -s /etc/dovecot/users {home}/link")
    world.stack.manage("reconcile")
    owners = world.stack.inside("dovecot", "bash", "-c", f"find {home} ! -type l -printf '%u\\n' | sort -u")
    assert owners.split() == ["vmail"]
    assert world.stack.inside("dovecot", "stat", "-c", "%U", "/etc/dovecot/users").strip() == "root"
    assert deliver(world.server, mail("after the restore"), world.alice.address).accepted
    wait_for_message(world.server, world.alice.login, "after the restore", within=60)
    world.stack.inside("dovecot", "rm", f"{home}/link")


def test_single_mails_that_root_put_there_are_given_back(world: World) -> None:
    folder = f"/srv/vmail/{world.alice.address.partition('@')[2]}/alice/Maildir/cur"

    def owner() -> str:
        return world.stack.inside("dovecot", "stat", "-c", "%U", f"{folder}/1.copied").strip()

    world.stack.inside("dovecot", "bash", "-c", f"echo x >{folder}/1.copied")
    assert owner() == "root"
    world.stack.manage("reconcile")
    assert owner() == "vmail"
    # Changes in directories without new mail are found by the hourly check of all mail.
    world.stack.inside(
        "dovecot", "bash", "-c", f"chown 0:0 {folder}/1.copied; touch -d '1 hour ago' {folder}"
    )
    world.stack.manage("shell", "-c", "from mailboxes.upkeep import own_mail; own_mail()")
    assert owner() == "vmail"
    world.stack.inside("dovecot", "rm", f"{folder}/1.copied")
    # Postfix's queue lies beside the mail, and is still Postfix's.
    assert deliver(world.server, mail("as before"), world.alice.address).accepted
    assert wait_for_message(world.server, world.alice.login, "as before", within=60)


def intruder(world: World) -> Login:
    return Login(world.at("intruder"), "let-me-in-please")


def changed_by_hand(world: World) -> subprocess.CompletedProcess[bytes]:
    """What is reported about a user, a domain, a smarthost and a key that somebody else added."""
    login = intruder(world)
    line = f"{login.address}:{passwords.hash_password(login.password)}::::/srv/vmail/{OURS}/bob::"
    add = 'echo "$1" >>/etc/dovecot/users; sed -i "s/^alice@/gone@/" /etc/dovecot/users'
    world.stack.inside("dovecot", "sh", "-c", add, "edit", line)
    tables = "cd /mail-config/postfix; echo 'elsewhere.test ok' >>domains; postmap lmdb:domains"
    world.stack.inside("postfix", "sh", "-c", f"{tables}; postconf -e 'relayhost=[thief.test]:25'")
    world.stack.inside("postfix", "sh", "-c", "echo broken >/mail-dkim/keys/faults.test.quazzar")
    return world.stack.run("manage.py", "reconcile", "--dry-run")


def nothing_differs(world: World) -> None:
    assert world.stack.manage("reconcile", "--dry-run") == "No differences.\n"


def test_on_an_empty_machine_the_stack_is_made_anew_with_the_mail_and_the_queue_of_a_backup(
    world: World, far: Sink, stack_images: Images
) -> None:
    far.answer("RCPT", "451 4.3.0 later")
    assert world.submit("from before", TO).accepted
    assert send(world, "before the backup").accepted
    got(world, "before the backup")
    kept = [each["Subject"] for each in messages(world.server, world.bob.login)]
    # As docs/mailboxes.md says, but without stopping the product: its worker is halted during that.
    with standing_still(world.stack.worker()), as_documented(world.stack, stack_images) as debian:
        code, output = said(debian, "tar", "czf", "/to/mail.tgz", "--numeric-owner", "/mail")
        assert code == 0, output
        archive, _ = debian.get_archive("/to/mail.tgz")
        saved = b"".join(archive)
        for service in ("postfix", "dovecot", "rspamd"):
            world.stack.container(service).remove(force=True, v=True)
        debian.remove(force=True)
        for kind in ("config", "data", "dkim"):
            world.stack.client.volumes.get(f"{world.stack.project}-mail-{kind}").remove()
        with as_documented(world.stack, stack_images) as other:
            other.put_archive("/to", saved)
            # It says that deferred mail has its time in the future: Postfix notes there when to try again.
            code, output = said(other, "tar", "xzf", "/to/mail.tgz", "--numeric-owner", "-C", "/")
            assert code == 0, output
    far.answer("RCPT", None)
    wait_until(lambda: lets_in(world, world.bob.login), "everything is back", REPAIRED)
    world.stack.wait_phase("healthy")
    assert [each["Subject"] for each in messages(world.server, world.bob.login)] == kept
    assert "from before" in [each.message["Subject"] for each in far.wait_for(1, 60)]
    assert world.submit("signed as ever", TO).accepted
    content = next(each.content for each in far.wait_for(2) if each.message["Subject"] == "signed as ever")
    assert [each.valid for each in world.signatures(content)] == [True]
    nothing_differs(world)
    assert world.stack.state()["last_error"] is None


@contextlib.contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """A process that is halted inside the context."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def as_documented(stack: MailStack, images: Images) -> Iterator[Container]:
    """``docker run -v …-mail-data:/mail -v "$PWD":/to``: a volume that is not there is made, without a label."""
    volumes = {f"{stack.project}-mail-data": {"bind": "/mail", "mode": "rw"}}
    container = stack.client.containers.run(
        images.dovecot, ["sleep", "infinity"], entrypoint="", volumes=volumes, detach=True
    )
    try:
        assert said(container, "mkdir", "/to") == (0, "")
        yield container
    finally:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True, v=True)


# --- its worker is killed: changing, disabling -------------------------------------------------------------
def test_a_stack_whose_worker_is_killed_is_changed_and_disabled_all_the_same(
    world: World, chance: random.Random
) -> None:
    boxes = [world.alice, world.bob]
    with UsersWatch(world.stack), TableWatch(world.stack):
        for number in range(CHANGING):
            boxes.append(world.stack.add_mailbox(world.domain, f"early{number}"))
            kill_worker(world.stack, 0.3, chance)
            boxes.append(world.stack.add_mailbox(world.domain, f"late{number}"))
        world.stack.wait_synced()
        for box in boxes:
            box.wait_login()
    nothing_differs(world)
    world.stack.check_parts("healthy")
    world.stack.expect(202, "POST", "/api/mail/stack/disable", {})
    for _ in range(DISABLING):
        kill_worker(world.stack, 0.8, chance)
    world.stack.wait_phase("disabled")
    world.stack.check_parts("disabled")
