"""Invitations and resets: a link that works once, for the role that was given, and leaves no trace of its token."""

from __future__ import annotations

import html as html_of
import logging
import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from mailrelay.models import Message, RelaySettings
from quazzar.access import roles
from quazzar.access.joining import links
from quazzar.access.secondfactor import factors, policy
from quazzar.models import AuditEntry, OneTimeLink
from tests.quazzar.console.account.people import enter, is_in, with_app

pytestmark = pytest.mark.django_db
LIST, INVITE, WELCOME = "/admin/auth/user/", "/admin/auth/user/invite/", "/admin/welcome/"
OWN = "a-long-one-of-my-own-42"


@pytest.fixture(autouse=True)
def _through_the_relay(settings: Any) -> None:
    """Tests of Django's have a mail backend of their own."""
    settings.EMAIL_BACKEND = "mailrelay.backends.RelayBackend"


@pytest.fixture
def owner(other_staff: User) -> Client:
    """Signed in as an owner, who is no superuser."""
    other_staff.groups.add(Group.objects.get(name="Owner"))
    client = Client()
    client.force_login(other_staff)
    return client


def invited(client: Client, **changes: str) -> str:
    """The token of a new invitation."""
    asked = {"name": "night", "email": "", "role": "Mail admin", **changes}
    return token_in(client.post(INVITE, asked))


def token_in(answer: Any) -> str:
    found = re.search(
        r'id="link"[^>]*>http://testserver/admin/welcome/#([\w-]{43})<', answer.content.decode()
    )
    assert found, html_of.unescape(answer.content.decode())
    return found[1]


def accept(client: Client, token: str, password: str = OWN) -> Any:
    return client.post(WELCOME, {"token": token, "new_password1": password, "new_password2": password})


@pytest.mark.slow
def test_who_is_invited_chooses_a_password_and_is_in_with_the_role(owner: Client) -> None:
    token = invited(owner)
    client = Client()
    page = client.post(WELCOME, {"token": token}).content.decode()
    assert "Welcome, night" in page and "Manages the relay, the mail server" in page
    assert accept(client, token)["Location"] == "/admin/"
    night = User.objects.get(username="night")
    assert is_in(client) and [role.name for role in roles.of(night)] == ["Mail admin"]
    assert not night.is_superuser
    assert client.get("/admin/mail-relay/").status_code == 200
    assert enter(Client(), "night", OWN)["Location"] == "/admin/"
    recorded = list(AuditEntry.objects.order_by("pk").values_list("actor", "action", "target"))
    assert ("user:other", "operator.invited", "night as Mail admin") in recorded
    assert ("user:night", "operator.invitation_used", "night") in recorded


def test_before_that_nobody_signs_in_by_that_name(owner: Client) -> None:
    invited(owner)
    for password in ("", "!", OWN):
        assert enter(Client(), "night", password).status_code == 200


def test_a_link_works_once(owner: Client) -> None:
    token = invited(owner)
    accept(Client(), token)
    thief = Client()
    page = accept(thief, token, "another-long-one-42").content.decode()
    assert "was used, revoked, or has expired" in page and not is_in(thief)
    assert User.objects.get(username="night").check_password(OWN)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["expired", "revoked", "replaced", "locked out", "password set"])
def test_a_link_ends(owner: Client, what: str) -> None:
    token = invited(owner)
    row = OneTimeLink.objects.get()
    if what == "expired":
        OneTimeLink.objects.update(expires_at=timezone.now())
    elif what == "revoked":
        owner.post(f"{LIST}invitations/{row.pk}/revoke/")
        assert not User.objects.filter(username="night").exists()
    elif what == "replaced":
        assert token_in(owner.post(f"{LIST}invitations/{row.pk}/again/")) != token
    elif what == "locked out":
        User.objects.filter(username="night").update(is_active=False)
    else:
        typed = {"password1": "set-by-somebody-42", "password2": "set-by-somebody-42"}
        owner.post(f"{LIST}{row.user.pk}/password/", {**typed, "usable_password": "true"})
    client = Client()
    for answer in (client.post(WELCOME, {"token": token}), accept(client, token)):
        assert "was used, revoked, or has expired" in answer.content.decode()
    assert not is_in(client)


def test_a_link_lives_for_three_days(owner: Client) -> None:
    token = invited(owner)
    row = OneTimeLink.objects.get()
    assert timedelta(hours=71) < row.expires_at - timezone.now() <= links.LIFE
    OneTimeLink.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    accept(client := Client(), token)
    assert is_in(client)


def test_opening_the_link_uses_nothing_up_and_says_nothing(owner: Client) -> None:
    token = invited(owner)
    for _ in range(3):
        assert "night" not in Client().get(WELCOME).content.decode()
    assert "Welcome, night" in Client().post(WELCOME, {"token": token}).content.decode()


@pytest.mark.parametrize("token", ["", "x", "0" * 43, "\0", "é"])
def test_what_is_no_token_opens_nothing(owner: Client, token: str) -> None:
    invited(owner)
    client = Client()
    assert accept(client, token).status_code == 200
    assert not is_in(client)


@pytest.mark.parametrize("password", ["short", "password1234", ""])
def test_a_weak_password_keeps_the_link(owner: Client, password: str) -> None:
    token = invited(owner)
    client = Client()
    assert "Welcome, night" in accept(client, token, password).content.decode()
    accept(client, token)
    assert is_in(client)


@pytest.mark.slow
def test_the_token_is_in_no_row_no_log_and_no_later_page(owner: Client, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    token = invited(owner)
    accept(Client(), token)
    accept(Client(), token)
    rows = str([*AuditEntry.objects.values(), *OneTimeLink.objects.values(), *User.objects.values()])
    pages = "".join(owner.get(path).content.decode() for path in (LIST, INVITE, "/admin/tables/"))
    assert token not in rows + pages + caplog.text


def test_the_link_is_mailed_where_a_relay_is_set_and_shown_in_any_case(
    owner: Client, relay: RelaySettings
) -> None:
    answer = owner.post(INVITE, {"name": "night", "email": "night@example.com", "role": "Sender"})
    token = token_in(answer)
    message = Message.objects.get()
    assert "A mail to night@example.com is on its way" in answer.content.decode()
    assert message.body and token.encode() in message.body.reveal().replace(b"=\r\n", b"")
    assert token not in f"{message.subject}{message.message_id}"


def test_without_a_relay_the_page_says_so(owner: Client) -> None:
    answer = owner.post(INVITE, {"name": "night", "email": "night@example.com", "role": "Sender"})
    assert "Not mailed" in answer.content.decode() and token_in(answer)


def test_the_link_of_an_owner_is_not_mailed(owner: Client, relay: RelaySettings) -> None:
    answer = owner.post(INVITE, {"name": "night", "email": "night@example.com", "role": "Owner"})
    assert "because mail admins could read it" in answer.content.decode()
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "two words"},
        {"name": "OTHER"},
        {"name": "x" * 151},
        {"email": "no address"},
        {"role": ""},
        {"role": "Superuser"},
    ],
)
def test_what_cannot_be_invited_is_refused(owner: Client, changes: dict[str, str]) -> None:
    before = User.objects.count()
    page = owner.post(INVITE, {"name": "night", "email": "", "role": "Viewer", **changes})
    assert page.status_code == 200 and "q-errors" in page.content.decode()
    assert User.objects.count() == before and not OneTimeLink.objects.exists()


@pytest.mark.slow
def test_nobody_gives_a_role_that_holds_more_than_they_have(
    client: Client, outsider: User, operator: User
) -> None:
    User.objects.filter(pk=outsider.pk).update(is_staff=True)
    outsider.user_permissions.set(roles.permissions(["quazzar.manage_operator", *SENDS]))
    client.force_login(User.objects.get(pk=outsider.pk))
    page = client.get(INVITE).content.decode()
    assert 'value="Sender"' in page and 'value="Owner"' not in page and 'value="Viewer"' not in page
    for role in ("Owner", "Mail admin", "Viewer"):
        client.post(INVITE, {"name": "night", "email": "", "role": role})
    assert not User.objects.filter(username="night").exists()
    invited(client, role="Sender")
    boss = Client()
    boss.force_login(operator)
    invited(boss, name="chief", role="Owner")
    row = OneTimeLink.objects.get(user__username="chief")
    for verb in ("again", "revoke"):
        assert client.post(f"{LIST}invitations/{row.pk}/{verb}/").status_code == 404, verb
    assert User.objects.filter(username="chief").exists()


SENDS = next(role.permissions for role in roles.ROLES if role.name == "Sender")


def test_who_does_not_manage_operators_invites_nobody(client: Client, other_staff: User) -> None:
    other_staff.groups.add(Group.objects.get(name="Mail admin"))
    client.force_login(other_staff)
    for path in (
        INVITE,
        f"{LIST}invitations/1/again/",
        f"{LIST}invitations/1/revoke/",
        f"{LIST}second-factor/",
    ):
        assert client.post(path, {"name": "night", "role": "Viewer"}).status_code == 403, path
    assert not User.objects.filter(username="night").exists() and not policy.required()


def test_the_list_shows_what_waits_and_what_has_expired(owner: Client) -> None:
    invited(owner)
    page = html_of.unescape(owner.get(LIST).content.decode())
    assert "Invited" in page and "Revoke" in page
    OneTimeLink.objects.update(expires_at=timezone.now() - timedelta(hours=2))
    page = owner.get(LIST).content.decode()
    assert "Expired" in page and "expired" in page


def test_an_operator_who_is_in_is_not_deleted_with_an_old_invitation(owner: Client) -> None:
    accept(Client(), invited(owner))
    row = OneTimeLink.objects.get()
    assert owner.post(f"{LIST}invitations/{row.pk}/revoke/").status_code == 404
    assert User.objects.filter(username="night").exists()


# --- requiring a second factor


def test_who_requires_a_second_factor_has_one(owner: Client, other_staff: User) -> None:
    assert owner.post(f"{LIST}second-factor/", {"required": "on"})["Location"] == "/admin/account/"
    assert not policy.required()
    with_app(other_staff)
    owner.post(f"{LIST}second-factor/", {"required": "on"})
    assert policy.required() and "Make it optional" in owner.get(LIST).content.decode()
    owner.post(f"{LIST}second-factor/")
    assert not policy.required()


def test_who_is_invited_to_a_node_that_requires_one_sets_it_up_first(owner: Client) -> None:
    policy.require(True)
    client = Client()
    accept(client, invited(owner))
    assert client.get("/admin/account/")["Location"] == "/admin/second-factor-needed/"


# --- a reset on the node


def reset(name: str = "operator", **options: str) -> str:
    """The link that the command prints."""
    out = StringIO()
    call_command("resetoperator", name, stdout=out, stderr=StringIO(), **options)
    return out.getvalue().strip()


def test_a_reset_takes_password_factors_and_sessions_and_prints_a_link(operator: User) -> None:
    app = with_app(operator)
    before = Client()
    before.force_login(operator)
    link = reset(url="https://mail.example.com/")
    assert link.startswith("https://mail.example.com/admin/welcome/#")
    assert not is_in(before) and not factors.has_any(operator)
    assert enter(Client()).status_code == 200
    client = Client()
    token = link.partition("#")[2]
    assert "Choose a new password" in client.post(WELCOME, {"token": token}).content.decode()
    accept(client, token)
    assert is_in(client) and not factors.answer(operator, app.now()).right
    assert AuditEntry.objects.filter(actor="command:resetoperator", action="operator.reset").exists()
    assert token not in str(AuditEntry.objects.values())


def test_a_second_reset_replaces_the_first_link(operator: User) -> None:
    first, second = (reset().partition("#")[2] for _ in range(2))
    assert links.find(first) is None and links.find(second)


def test_a_reset_link_is_no_way_round_a_new_second_factor(operator: User) -> None:
    token = reset().partition("#")[2]
    with_app(operator)
    client = Client()
    assert accept(client, token)["Location"] == "/admin/second-step/"
    assert not is_in(client)


def test_only_operators_who_may_sign_in_are_reset(operator: User, outsider: User) -> None:
    User.objects.filter(pk=operator.pk).update(is_active=False)
    for name in ("nobody", "operator", "outsider"):
        with pytest.raises(CommandError):
            reset(name)
    assert User.objects.get(pk=operator.pk).check_password("operator-pass")
