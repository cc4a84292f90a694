"""The password input: blank keeps, the box removes, and no page ever holds the secret."""

from pathlib import Path

import pytest
from django import forms
from pytest_django.fixtures import Settings

from mailrelay.models import RelaySettings
from quazzar.sealing.values import Sealed
from quazzar.sealing.widgets import SealedFormField, SealedInput
from tests.quazzar.sealedrows import SECRET, lose_key

pytestmark = pytest.mark.django_db


class RelayForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = RelaySettings
        fields = ["port", "password"]


@pytest.fixture(autouse=True)
def key_file(settings: Settings, tmp_path: Path) -> None:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"


@pytest.fixture
def relay() -> RelaySettings:
    return RelaySettings.objects.create(pk=1, password=SECRET)


def submit(**data: str) -> RelayForm:
    return RelayForm({"port": "587", **data}, instance=RelaySettings.load())


def saved_password(**data: str) -> str | None:
    form = submit(**data)
    assert form.is_valid(), form.errors
    form.save()
    value = RelaySettings.load().password
    return None if value is None else value.reveal()


def test_the_model_field_brings_this_input() -> None:
    field = RelayForm().fields["password"]
    assert isinstance(field, SealedFormField)
    assert isinstance(field.widget, SealedInput)
    assert not field.required


def test_typing_replaces_it_exactly_as_typed(relay: RelaySettings) -> None:
    assert saved_password(password="  fresh ") == "  fresh "


@pytest.mark.parametrize("data", [{"password": ""}, {}])
def test_blank_keeps_it(data: dict[str, str], relay: RelaySettings) -> None:
    assert saved_password(**data) == SECRET


def test_blank_with_nothing_saved_stays_nothing() -> None:
    assert saved_password(password="") is None


def test_blank_keeps_one_that_does_not_open(relay: RelaySettings) -> None:
    lose_key()
    form = submit(password="")
    assert form.is_valid()
    form.save()
    assert RelaySettings.load().password_state == "unreadable"


def test_the_box_removes_it(relay: RelaySettings) -> None:
    assert saved_password(**{"password": "", "password-remove": "on"}) is None


def test_typing_and_removing_at_once_is_refused(relay: RelaySettings) -> None:
    form = submit(**{"password": "new", "password-remove": "on"})
    assert form.errors["password"] == ["Either type a new one or tick the box, not both."]


def test_a_null_character_is_refused(relay: RelaySettings) -> None:
    assert "password" in submit(password="a\0b").errors


@pytest.mark.parametrize(
    ("data", "changed"),
    [
        ({}, False),
        ({"password": ""}, False),
        ({"password": "x"}, True),
        ({"password": SECRET}, True),
        ({"password-remove": "on"}, True),
    ],
)
def test_it_knows_whether_it_changed(data: dict[str, str], changed: bool, relay: RelaySettings) -> None:
    assert ("password" in submit(**data).changed_data) is changed


def test_a_saved_one_shows_as_saved_and_not_itself(relay: RelaySettings) -> None:
    page = str(RelayForm(instance=RelaySettings.load())["password"])
    assert "A password is saved." in page
    assert 'data-state="saved"' in page
    assert "value=" not in page
    assert SECRET not in page


def test_one_that_does_not_open_asks_to_enter_it_again(relay: RelaySettings) -> None:
    lose_key()
    page = str(RelayForm(instance=RelaySettings.load())["password"])
    assert "unreadable" in page
    assert "Enter it again." in page


def test_nothing_saved_shows_a_plain_input() -> None:
    page = str(RelayForm(instance=RelaySettings.load())["password"])
    assert page.startswith('<input type="password"')
    assert "remove" not in page


def test_a_form_with_errors_does_not_show_what_was_typed(relay: RelaySettings) -> None:
    form = submit(port="none", password="typed-secret")
    assert not form.is_valid()
    assert "typed-secret" not in str(form)
    assert "A password is saved." in str(form)


def test_state_and_box_are_tied_to_the_input(relay: RelaySettings) -> None:
    page = str(RelayForm(instance=RelaySettings.load())["password"])
    assert 'aria-describedby="id_password_state"' in page
    assert 'id="id_password_state"' in page
    assert '<label class="sealed-input-remove" for="id_password_remove">' in page
    assert 'name="password-remove" id="id_password_remove"' in page


@pytest.mark.parametrize(("initial", "valid"), [(None, False), (Sealed(SECRET), True)])
def test_a_required_one_may_stay_blank_once_it_is_saved(initial: Sealed | None, valid: bool) -> None:
    class Required(forms.Form):
        password = SealedFormField()

    form = Required({"password": ""}, initial={"password": initial})
    assert form.is_valid() is valid
    assert (" required" in str(form["password"])) is not valid


def test_a_disabled_one_keeps_what_is_there(relay: RelaySettings) -> None:
    form = submit(password="new")
    form.fields["password"].disabled = True
    assert form.is_valid()
    assert form.cleaned_data["password"] == Sealed(SECRET)
