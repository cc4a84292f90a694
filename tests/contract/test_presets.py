"""GET /api/mail/relay/presets."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.contract.answers import PRESETS, RELAY, error, ok

KNOWN = {
    "mailgun": ("Mailgun", "smtp.mailgun.org", 587),
    "sendgrid": ("SendGrid", "smtp.sendgrid.net", 587),
    "postmark": ("Postmark", "smtp.postmarkapp.com", 587),
    "ses": ("Amazon SES", "email-smtp.us-east-1.amazonaws.com", 587),
    "custom": ("Custom SMTP", "", 587),
}


def test_the_presets_are_a_bare_list_in_the_order_of_the_product_page(api: APIClient) -> None:
    listed = ok(api.get(PRESETS))
    assert [(one["id"], (one["name"], one["host"], one["port"])) for one in listed] == [*KNOWN.items()]
    for one in listed:
        assert one.keys() - {"regions"} == {"id", "name", "host", "port", "security"}
        assert one["security"] in {"starttls", "tls", "none"}


def test_only_providers_with_a_choice_have_regions(api: APIClient) -> None:
    regions = {one["id"]: one["regions"] for one in ok(api.get(PRESETS)) if "regions" in one}
    assert regions.keys() == {"mailgun", "ses"}
    for listed in regions.values():
        assert all(region.keys() == {"id", "name", "host"} for region in listed)
        assert len({region["host"] for region in listed}) == len(listed)
    assert {"us-east-1", "eu-west-1"} <= {region["id"] for region in regions["ses"]}


@pytest.mark.parametrize("provider", sorted(KNOWN.keys() - {"custom"}))
def test_each_preset_can_be_saved_by_its_id_alone(api: APIClient, provider: str) -> None:
    shown = ok(api.put(RELAY, {"provider": provider}))
    assert (shown["host"], shown["port"]) == KNOWN[provider][1:]
    assert (shown["provider"], shown["security"], shown["configured"]) == (provider, "starttls", True)


def test_presets_need_no_query_of_their_own(api: APIClient, django_assert_max_num_queries: object) -> None:
    api.get(PRESETS)
    with django_assert_max_num_queries(1):  # type: ignore[operator]
        api.get(PRESETS)


def test_head_and_options_are_answered_and_nothing_else(api: APIClient) -> None:
    assert (api.head(PRESETS).status_code, api.head(PRESETS).content) == (200, b"")
    assert set(api.options(PRESETS)["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    for method in ("post", "put", "patch", "delete"):
        error(getattr(api, method)(PRESETS), 405, "method_not_allowed")
