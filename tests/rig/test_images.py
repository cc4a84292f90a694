"""The stand-ins are as strict as the images that they replace, and the rig leaves nothing behind."""

import contextlib
import http.client
import imaplib
import smtplib
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest
from docker.models.containers import Container

from tests.rig import Missing, NotReady, wait_until
from tests.rig.ca import CertificateAuthority
from tests.rig.daemon import Daemon, PrivateEngine, answers, project
from tests.rig.images import Images
from tests.rig.sample import mail
from tests.rig.standins import Sink, address, fetch, health, logs, put, running, said

pytestmark = pytest.mark.real

SECOND = 1_000_000_000
QUICK_HEALTH = {"test": ["CMD", "/scripts/healthcheck.sh"], "interval": SECOND, "timeout": 5 * SECOND}
UNGUARDED = {"ALLOW_EMPTY_SENDER_DOMAINS": "true"}


@pytest.fixture(scope="module")
def network(docker_client: docker.DockerClient, shared_stack_project: str) -> str:
    docker_client.networks.create(shared_stack_project)
    return shared_stack_project


@pytest.fixture(scope="module")
def outside(
    docker_client: docker.DockerClient,
    stack_images: Images,
    network: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sink]:
    authority = CertificateAuthority(tmp_path_factory.mktemp("ca"))
    with Sink(
        docker_client,
        stack_images.sink,
        project=network,
        network=network,
        names=["outside.test"],
        login="me:secret",
        certificate=authority.issue(["outside.test"]),
    ) as sink:
        yield sink


@pytest.fixture(scope="module")
def postfix(docker_client: docker.DockerClient, stack_images: Images, network: str) -> Iterator[Container]:
    options = {"network": network, "hostname": "stock.test", "healthcheck": {**QUICK_HEALTH, "retries": 3}}
    with running(docker_client, stack_images.postfix, environment=UNGUARDED, **options) as container:
        wait_until(lambda: health(container) == "healthy", 120, f"health of stock Postfix: {logs(container)}")
        yield container


@pytest.fixture(scope="module")
def dovecot(docker_client: docker.DockerClient, stack_images: Images, network: str) -> Iterator[Container]:
    with running(docker_client, stack_images.dovecot, network=network) as container:
        wait_until(lambda: "starting up for imap" in logs(container), 20, "start of stock Dovecot")
        yield container


@pytest.fixture(scope="module")
def rspamd(docker_client: docker.DockerClient, stack_images: Images, network: str) -> Iterator[Container]:
    with running(docker_client, stack_images.rspamd, network=network) as container:
        wait_until(
            lambda: controller(container, "/ping") == 200, 120, f"start of stock Rspamd: {logs(container)}"
        )
        yield container


def controller(container: Container, path: str, password: str = "") -> int:
    """The status of the controller's answer to somebody in another container, or on the host; 0 for none."""
    connection = http.client.HTTPConnection(address(container), 11334, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", path, headers={"Password": password})
        return connection.getresponse().status
    return 0


def setting(container: Container, name: str) -> str:
    return said(container, "postconf", "-h", name)[1].strip()


# Postfix


@pytest.mark.thorough
def test_postfix_refuses_to_start_unless_it_is_told_whose_mail_to_send(
    docker_client: docker.DockerClient, stack_images: Images
) -> None:
    with running(docker_client, stack_images.postfix) as container:
        assert container.wait(timeout=60)["StatusCode"] == 1
        assert "ALLOW_EMPTY_SENDER_DOMAINS" in logs(container)


@pytest.mark.thorough
def test_stock_postfix_relays_for_every_private_address(postfix: Container, outside: Sink) -> None:
    outside.clear()
    with smtplib.SMTP(address(postfix), 25, "client.test", timeout=20) as client:
        client.sendmail("stranger@elsewhere.test", ["somebody@outside.test"], mail("<through@ours.test>"))
    (received,) = outside.wait_for(1)
    assert (received.sender, received.recipients) == ("stranger@elsewhere.test", ["somebody@outside.test"])
    assert received.helo == "stock.test"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "stock"),
    [
        ("mynetworks", "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"),
        ("smtpd_client_restrictions", "permit_mynetworks,permit_sasl_authenticated,reject"),
        ("message_size_limit", "0"),
        ("mydestination", ""),
        ("default_database_type", "lmdb"),
        ("smtpd_tls_key_file", "/etc/ssl/private/ssl-cert-snakeoil.key"),
        ("smtpd_milters", ""),
    ],
)
def test_stock_postfix_has_the_defaults_of_a_private_relay(postfix: Container, name: str, stock: str) -> None:
    assert setting(postfix, name) == stock


# The start takes the comment off every line that begins with "submission": also Debian's for 465, but
# not off those below it that would make it TLS.
@pytest.mark.thorough
@pytest.mark.parametrize("port", [25, 587, 465])
def test_stock_postfix_speaks_plain_smtp(postfix: Container, port: int) -> None:
    with smtplib.SMTP(address(postfix), port, "client.test", timeout=20) as client:
        assert client.noop()[0] == 250


@pytest.mark.thorough
def test_without_a_key_opendkim_does_not_run(postfix: Container) -> None:
    assert said(postfix, "nc", "-z", "127.0.0.1", "8891")[0] != 0


# The last to use this container: it is broken afterwards.
@pytest.mark.thorough
def test_a_dead_postfix_leaves_the_container_running_and_unhealthy(postfix: Container) -> None:
    assert said(postfix, "sh", "-c", "kill -9 $(cat /var/spool/postfix/pid/master.pid)")[0] == 0
    wait_until(lambda: health(postfix) == "unhealthy", 60, "the end of its health")
    assert postfix.status == "running"
    assert said(postfix, "nc", "-z", "127.0.0.1", "587")[0] != 0


@pytest.mark.thorough
def test_settings_come_from_the_environment_and_the_relay_host_is_forgotten_at_each_start(
    docker_client: docker.DockerClient, stack_images: Images
) -> None:
    given = {**UNGUARDED, "POSTFIX_recipient_delimiter": "-", "POSTFIX_smtpd_banner": ""}
    with running(docker_client, stack_images.postfix, environment=given) as container:
        wait_until(lambda: "daemon started" in logs(container), 60, "start of Postfix")
        assert setting(container, "recipient_delimiter") == "-"
        assert said(container, "postconf", "-n", "smtpd_banner")[1] == ""
        assert said(container, "postconf", "-e", "relayhost=[relay.test]:587")[0] == 0
        container.restart()
        wait_until(lambda: logs(container).count("daemon started") == 2, 60, "second start of Postfix")
        assert setting(container, "relayhost") == ""


@pytest.mark.thorough
def test_with_a_key_at_the_start_opendkim_signs_for_everybody(
    docker_client: docker.DockerClient, stack_images: Images
) -> None:
    container = docker_client.containers.create(stack_images.postfix, environment=UNGUARDED)
    try:
        put(container, "/etc/opendkim/keys", {"some.private": b"a file, whatever is in it"})
        container.start()
        wait_until(lambda: said(container, "nc", "-z", "127.0.0.1", "8891")[0] == 0, 60, "start of OpenDKIM")
        assert setting(container, "smtpd_milters") == "inet:localhost:8891"
        assert setting(container, "milter_default_action") == "accept"
        assert fetch(container, "/etc/opendkim/TrustedHosts") == {"TrustedHosts": b"0.0.0.0/0\n"}
    finally:
        container.remove(v=True, force=True)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("variant", "ran"),
    [
        ("postfix", ["db by bash", "d by bash", "d sourced"]),
        ("postfix_init_db", ["db by bash"]),
        ("postfix_init_d", ["d by bash", "d sourced"]),
    ],
)
def test_init_scripts_run_from_the_directories_of_that_release(
    docker_client: docker.DockerClient, stack_images: Images, variant: str, ran: list[str]
) -> None:
    image = getattr(stack_images, variant)
    container = docker_client.containers.create(image, environment=UNGUARDED)
    try:
        put(container, "/", {"docker-init.db/1.sh": _note("db"), "docker-init.d/1.sh": _note("d")})
        put(container, "/", {"docker-init.d/2.sh": _note("d"), "docker-init.d/notes": b"exit 1"}, mode=0o755)
        last = "docker-init.db" if variant == "postfix_init_db" else "docker-init.d"
        put(container, "/", {f"{last}/3.sh": b"false"})
        container.start()
        assert container.wait(timeout=60)["StatusCode"] == 1
        assert [line[4:] for line in logs(container).splitlines() if line.startswith("ran ")] == ran
    finally:
        container.remove(v=True, force=True)


def _note(directory: str) -> bytes:
    how = '$([ "$0" = /scripts/run.sh ] && echo sourced || echo by bash)'
    return f'echo "ran {directory} {how}"\n'.encode()


# Dovecot


@pytest.mark.thorough
def test_the_stock_password_opens_every_account_and_another_does_not(dovecot: Container) -> None:
    with imaplib.IMAP4(address(dovecot), timeout=20) as client:
        client.starttls()
        with pytest.raises(imaplib.IMAP4.error):
            client.login("whoever@anywhere.test", "another")
        assert client.login("whoever@anywhere.test", "supersecret")[0] == "OK"


@pytest.mark.thorough
def test_a_new_volume_inherits_the_stock_password(
    docker_client: docker.DockerClient, stack_images: Images, stack_project: str
) -> None:
    volume = docker_client.volumes.create(f"{stack_project}-mail-config")
    mounts = {volume.name: {"bind": "/etc/dovecot"}}
    with running(docker_client, stack_images.dovecot, volumes=mounts) as container:
        assert b"USER_PASSWORD" in fetch(container, "/etc/dovecot/conf.d/auth.conf")["auth.conf"]


@pytest.mark.thorough
def test_dovecot_has_the_users_of_the_image_and_not_those_of_postfix(
    dovecot: Container, docker_client: docker.DockerClient, stack_images: Images
) -> None:
    assert said(dovecot, "id", "vmail")[1].startswith("uid=1000(vmail) gid=1000(vmail)")
    assert said(dovecot, "doveadm", "who")[0] == 0
    with running(docker_client, stack_images.postfix, entrypoint=["sleep", "60"]) as other:
        assert said(other, "getent", "group", "dovecot")[0] != 0


# Rspamd


@pytest.mark.thorough
def test_rspamd_binds_to_every_address_and_wants_a_password_from_all_but_its_own_container(
    rspamd: Container,
) -> None:
    ask = "exec 3<>/dev/tcp/127.0.0.1/11334; printf 'GET /stat HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3"
    assert "200 OK" in said(rspamd, "bash", "-c", ask)[1]
    assert controller(rspamd, "/stat") == 401
    assert controller(rspamd, "/stat", "q1") == 401  # the default password does not work from outside


@pytest.mark.thorough
def test_rspamd_takes_its_local_files_from_elsewhere(
    docker_client: docker.DockerClient, stack_images: Images
) -> None:
    command = ["/usr/bin/rspamd", "-f", "--var", "LOCAL_CONFDIR=/mail-config/rspamd"]
    container = docker_client.containers.create(stack_images.rspamd, command=command)
    try:
        put(container, "/", {"mail-config/rspamd/local.d/worker-normal.inc": b'bind_socket = "*:12345";'})
        container.start()
        wait_until(lambda: "*:12345" in logs(container), 120, "the worker's other port")
    finally:
        container.remove(v=True, force=True)


# All three


@pytest.mark.parametrize(
    ("name", "user", "volumes", "checked", "command"),
    [
        (
            "postfix",
            "root",
            {"/etc/opendkim/keys", "/etc/postfix", "/var/spool/postfix"},
            True,
            "/scripts/run.sh",
        ),
        ("dovecot", "root", {"/srv/vmail"}, False, "/dovecot/sbin/dovecot"),
        ("rspamd", "11333:11333", {"/var/lib/rspamd"}, False, "/usr/bin/rspamd"),
    ],
)
def test_an_image_declares_what_the_real_one_does(
    docker_client: docker.DockerClient,
    stack_images: Images,
    name: str,
    user: str,
    volumes: set[str],
    checked: bool,
    command: str,
) -> None:
    config = docker_client.images.get(getattr(stack_images, name)).attrs["Config"]
    assert (config["User"], set(config["Volumes"])) == (user, volumes)
    assert bool(config.get("Healthcheck")) is checked
    assert command in config["Cmd"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["postfix", "dovecot", "rspamd"])
def test_an_image_has_a_shell_and_coreutils_and_no_process_tools(
    docker_client: docker.DockerClient, stack_images: Images, name: str
) -> None:
    options = {"entrypoint": ["sleep", "60"], "environment": UNGUARDED}
    with running(docker_client, getattr(stack_images, name), **options) as container:
        for tool in ("bash", "flock", "sha256sum", "mktemp", "head"):
            assert said(container, "sh", "-c", f"command -v {tool}")[0] == 0
        for tool in ("ps", "pkill", "pgrep"):
            assert said(container, "sh", "-c", f"command -v {tool}")[0] != 0


# The world outside


@pytest.mark.thorough
def test_the_outside_answers_as_it_is_told_and_then_as_ever(outside: Sink) -> None:
    outside.clear()
    outside.answer("RCPT nobody@outside.test", "550 5.1.1 no such user")
    with smtplib.SMTP(address(outside.container), 25, "client.test", timeout=20) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("me@ours.test", ["nobody@outside.test"], mail("<refused@ours.test>"))
        outside.answer("RCPT nobody@outside.test", None)
        client.sendmail("me@ours.test", ["nobody@outside.test"], mail("<taken@ours.test>"))
    assert [received.message["Message-ID"] for received in outside.mails()] == ["<taken@ours.test>"]


@pytest.mark.thorough
def test_the_outside_wants_a_login_over_tls_on_587(outside: Sink) -> None:
    outside.clear()
    with smtplib.SMTP(address(outside.container), 587, "client.test", timeout=20) as client:
        assert client.docmd("MAIL", "FROM:<me@ours.test>")[0] == 530
        client.starttls()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("me", "wrong")
        client.login("me", "secret")
        client.sendmail("me@ours.test", ["you@outside.test"], mail("<inside-TLS@ours.test>"))
    (received,) = outside.mails()
    assert (received.user, received.encrypted, received.port) == ("me", True, 587)


# The Engine


def test_a_project_leaves_nothing_behind_even_when_its_test_fails(
    docker_daemon: Daemon, docker_client: docker.DockerClient, stack_images: Images
) -> None:
    def names() -> set[str]:
        names = {str(each.name) for each in docker_client.containers.list(all=True, ignore_removed=True)}
        names |= {str(each.name) for each in docker_client.networks.list()}
        return names | {each.name for each in docker_client.volumes.list()}

    with contextlib.suppress(NotReady), project(docker_daemon) as name:
        docker_client.networks.create(name)
        docker_client.volumes.create("qz-test-labelled-only", labels={"quazzar.project": name})
        docker_client.containers.run(
            stack_images.sink,
            name=f"{name}-postfix",
            network=name,
            volumes=[f"{name}-mail-data:/data"],
            detach=True,
        )
        assert {name, f"{name}-postfix", f"{name}-mail-data", "qz-test-labelled-only"} <= names()
        raise NotReady
    assert not any(each.startswith(name) or each == "qz-test-labelled-only" for each in names())


@pytest.mark.thorough
def test_a_private_engine_stops_and_starts_and_keeps_what_it_held(
    private_engine: PrivateEngine, docker_client: docker.DockerClient, stack_images: Images
) -> None:
    private_engine.copy_image(docker_client, stack_images.sink)
    with contextlib.closing(private_engine.client()) as client:
        client.containers.run(stack_images.sink, name="kept", ports={"25/tcp": 12525}, detach=True)
        wait_until(lambda: _greets(private_engine.address, 12525), 20, "the greeting of its container")
        private_engine.stop()
        assert not answers(private_engine.url)
        assert docker_client.ping()
        private_engine.start()
        assert client.containers.get("kept").status == "exited"
        client.containers.get("kept").remove(v=True)


def _greets(host: str, port: int) -> bool:
    try:
        with smtplib.SMTP(host, port, "client.test", timeout=5) as client:
            return client.noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        return False


def test_no_engine_at_the_address_that_was_given_is_a_missing_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{Path('/nonexistent/docker.sock')}")
    with pytest.raises(Missing, match="DOCKER_HOST=unix:///nonexistent"):
        Daemon()
