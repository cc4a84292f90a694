"""The table of providers is the one that the product promises."""

import pytest

from mailrelay.relay.presets import PRESETS, by_id
from mailrelay.relay.rules import problems


def test_every_preset_submits_on_587_with_starttls() -> None:
    assert {(preset.port, preset.security) for preset in PRESETS} == {(587, "starttls")}


def test_ses_hosts_follow_their_region_and_begin_with_the_default() -> None:
    ses = by_id("ses")
    assert ses is not None
    assert all(region.host == f"email-smtp.{region.id}.amazonaws.com" for region in ses.regions)
    assert ses.regions[0].host == ses.host
    assert {"eu-west-1", "ap-southeast-2", "sa-east-1"} <= {region.id for region in ses.regions}


def test_a_region_follows_from_its_host() -> None:
    mailgun = by_id("mailgun")
    assert mailgun is not None
    region = mailgun.region_of("SMTP.EU.mailgun.org")
    assert region is not None and region.id == "eu"
    assert mailgun.region_of("smtp.example.com") is None


def test_the_public_form_has_regions_only_where_there_is_a_choice() -> None:
    shown = {preset.id: preset.public() for preset in PRESETS}
    assert shown["postmark"] == {
        "id": "postmark",
        "name": "Postmark",
        "host": "smtp.postmarkapp.com",
        "port": 587,
        "security": "starttls",
    }
    assert shown["mailgun"]["regions"][1] == {"id": "eu", "name": "EU", "host": "smtp.eu.mailgun.org"}
    assert [id_ for id_, preset in shown.items() if "regions" in preset] == ["mailgun", "ses"]


def test_an_unknown_preset_is_none() -> None:
    assert by_id("hotmail") is None


def test_every_preset_says_what_to_type_and_passes_validation(subtests: pytest.Subtests) -> None:
    for preset in PRESETS:
        with subtests.test(preset=preset):
            assert preset.username_hint and preset.password_hint and preset.docs
            values = {
                "provider": preset.id,
                "host": preset.host,
                "port": preset.port,
                "security": preset.security,
                "username": "",
                "from_address": "",
                "from_name": "",
                "alert_recipients": [],
                "backup_recipients": [],
                "bounce_address": "",
            }
            assert problems(values) == {}
