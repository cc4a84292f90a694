"""Postfix's environment: nothing of the image's unsafe defaults is left, and Postfix knows every name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mailboxes.stack.blueprint import environment
from tests.rig.standins import running, said

if TYPE_CHECKING:
    import docker

    from tests.rig.images import Images

ENVIRONMENT = dict(environment.postfix("mail.example.com"))


def test_it_is_sorted_so_that_the_same_is_the_same() -> None:
    assert environment.postfix("mail.example.com") == tuple(sorted(ENVIRONMENT.items()))


def test_postfix_calls_itself_by_the_host_name() -> None:
    assert ENVIRONMENT["POSTFIX_myhostname"] == "mail.example.com"


def test_nobody_is_trusted_for_an_address() -> None:
    assert ENVIRONMENT["POSTFIX_mynetworks"] == "127.0.0.0/8 [::1]/128"
    assert ENVIRONMENT["POSTFIX_smtpd_relay_restrictions"].endswith("reject_unauth_destination")


def test_what_asks_for_no_login_is_not_spoken_over_the_network() -> None:
    for name, value in ENVIRONMENT.items():
        assert not re.search(r"\binet:|\b(dovecot|rspamd):\d", value), name


def test_there_is_no_local_delivery() -> None:
    assert ENVIRONMENT["POSTFIX_local_transport"].startswith("error:5.1.1 ")


def test_nothing_counts_by_the_address_of_the_client() -> None:
    limits = [name for name in ENVIRONMENT if name.startswith("POSTFIX_smtpd_client_") and "limit" in name]
    assert {name: ENVIRONMENT[name] for name in limits} == dict.fromkeys(limits, "0")
    assert len(limits) == 6


def test_nobody_logs_in_on_port_25() -> None:
    assert ENVIRONMENT["POSTFIX_smtpd_sasl_auth_enable"] == "no"


def test_the_images_own_key_pair_is_not_used() -> None:
    assert ENVIRONMENT["POSTFIX_smtpd_tls_key_file"] == ENVIRONMENT["POSTFIX_smtpd_tls_cert_file"] == ""


def test_nothing_comes_in_unscored() -> None:
    assert ENVIRONMENT["POSTFIX_milter_default_action"] == "tempfail"


def test_the_images_switches_for_a_private_relay_are_not_touched() -> None:
    for name in (
        "ALLOWED_SENDER_DOMAINS",
        "SMTPD_SASL_USERS",
        "DKIM_AUTOGENERATE",
        "MYNETWORKS",
        "RELAYHOST",
    ):
        assert name not in ENVIRONMENT


def test_the_own_name_is_left_to_the_init_script() -> None:
    # An empty value would mean Postfix's default: the host's name would be a local domain.
    assert "POSTFIX_mydestination" not in ENVIRONMENT


@pytest.mark.real
def test_postfix_knows_every_name(docker_client: docker.DockerClient, stack_images: Images) -> None:
    names = [name.removeprefix("POSTFIX_") for name in ENVIRONMENT if name.startswith("POSTFIX_")]
    with running(docker_client, stack_images.postfix, command=["sleep", "60"]) as container:
        code, output = said(container, "postconf", "-dH", *names)
        assert (code, sorted(output.split())) == (0, sorted(names))
