"""The OpenAPI description and its page."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from quazzar import __version__
from quazzar.api.schema import Generator
from tests.quazzar.api.test_routes import CALLS

#: Pages and lists of links.
NOT_DESCRIBED = {("/api/docs", "get"), ("/api/", "get"), ("/api/mail/", "get")}


@pytest.fixture
def schema(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/schema").json()
    return found


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, op) for path, ops in schema["paths"].items() for method, op in ops.items()]


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has not made it yet."""
    monkeypatch.setattr(Generator, "_made", {})


@pytest.mark.slow
def test_it_is_valid_and_made_without_a_warning(anew: None, tmp_path: Any, capsys: Any) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yaml"))
    said = capsys.readouterr()
    assert "Warning" not in said.err + said.out


@pytest.mark.slow
def test_many_who_ask_at_once_get_it_and_it_is_made_once(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    make: Any = SchemaGenerator.get_schema

    def counted(*args: Any) -> Any:
        made.append(1)
        return make(*args)

    monkeypatch.setattr(SchemaGenerator, "get_schema", counted)
    addresses = ["/api/schema", "/api/schema?format=json", "/api/schema?format=yaml"] * 4
    with ThreadPoolExecutor(len(addresses)) as pool:
        answers = list(pool.map(lambda address: Client().get(address), addresses))
    assert [answer.status_code for answer in answers] == [200] * len(addresses)
    assert len(made) == 1
    assert {answer.json()["info"]["version"] for answer in answers if "json" in answer["Content-Type"]} == {
        __version__
    }


def test_it_is_openapi_3_1_and_open_to_read_on_any_plan(client: Client, plan: Any) -> None:
    plan("community")
    response = client.get("/api/schema")
    assert response.status_code == 200
    assert response.json()["openapi"].startswith("3.1")


@pytest.mark.slow
@pytest.mark.parametrize("address", ["/api/schema?format=yaml", "/api/schema"])
def test_it_comes_as_yaml_when_asked_for(client: Client, address: str, schema: Any) -> None:
    response = client.get(address, headers={"accept": "application/yaml"})
    assert "json" not in response["Content-Type"]
    assert yaml.safe_load(response.content) == schema


def test_every_route_is_described(schema: dict[str, Any]) -> None:
    described = {(re.sub(r"\{\w+\}", "1", path), method) for path, method, _ in operations(schema)}
    assert described == {(path, method) for path, method, _ in CALLS} - NOT_DESCRIBED


def test_every_operation_names_its_errors(schema: dict[str, Any]) -> None:
    for path, _, operation in operations(schema):
        answers = set(operation["responses"])
        wanted = {"default", "429"} | ({"402"} if path.startswith("/api/mail/") else set())
        wanted |= {"401", "403"} if path != "/api/schema" else set()
        assert wanted <= answers, path


def test_the_audit_log_is_one_object(schema: dict[str, Any]) -> None:
    answer = schema["paths"]["/api/mail/audit"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Page"}


def test_the_error_has_three_keys_and_no_others(schema: dict[str, Any]) -> None:
    error = schema["components"]["schemas"]["Error"]
    assert error["properties"].keys() == {"error", "message", "fields"}
    assert (error["required"], error["additionalProperties"]) == (["error", "message"], False)


def test_what_is_taken_is_closed(schema: dict[str, Any]) -> None:
    body = schema["paths"]["/api/billing/upgrade"]["post"]["requestBody"]["content"]["application/json"]
    name = body["schema"]["$ref"].rpartition("/")[2]
    assert schema["components"]["schemas"][name]["additionalProperties"] is False


def test_both_ways_to_sign_in_are_described(schema: dict[str, Any]) -> None:
    schemes = schema["components"]["securitySchemes"]
    assert schemes["apiKey"]["scheme"] == "bearer"
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("cookie", "quazzar_session")
    assert schema["paths"]["/api/billing/upgrade"]["get"]["security"] == [{"apiKey": []}, {"session": []}]


def test_idempotency_key_is_described_where_it_is_taken(schema: dict[str, Any]) -> None:
    taking = {
        path
        for path, _, operation in operations(schema)
        if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", []))
    }
    assert {"/api/mail/messages", "/api/mail/alerts", "/api/mail/backups"} <= taking
    assert "/api/billing/upgrade" not in taking


def test_the_page_and_all_it_loads_come_from_this_node(client: Client) -> None:
    page = client.get("/api/docs")
    assert page.status_code == 200
    html = page.content.decode()
    loaded = re.findall(r'<(?:script|link|img) [^>]*(?:src|href)="([^"]+)"', html)
    assert len(loaded) >= 6
    script = client.get(loaded.pop()).content.decode()  # the last one begins it all
    for address in loaded:
        assert finders.find(address.removeprefix("/static/")), address
    assert not re.search(r"https?://", html + script)
    assert '"validatorUrl": null' in script
    assert "/api/schema" in script


@pytest.mark.slow
def test_it_is_open_whatever_key_is_sent(client: Client, db: None) -> None:
    for token in ("qzr_nonsense", "qzr_" + "0" * 46, ""):
        for address in ("/api/schema", "/api/docs"):
            assert client.get(address, headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_options_describe_the_open_endpoints_as_well(client: Client, db: None) -> None:
    for address in ("/api/schema", "/api/docs"):
        answer = client.options(address)
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
        assert client.post(address).status_code == 405


def test_every_operation_says_what_it_needs(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        if path.startswith("/api/mail/"):
            assert re.search(
                r"Needs the scope `mail:\w+`(\.$| and the permission `\w+\.\w+`)", operation["description"]
            ), (
                method,
                path,
            )
