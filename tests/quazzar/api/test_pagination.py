"""Lists: pages, filters, ordering, and a number of queries that does not grow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.urls import path
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin
from rest_framework.test import APIClient

from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import SEE_QUEUE
from quazzar.urls import urlpatterns as product

USERS = "/api/mail/users"


class UserSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "username", "is_active")


class Users(ListModelMixin, ApiViewSet):
    rights: ClassVar = {"list": SEE_QUEUE}
    queryset = User.objects.order_by("id")
    serializer_class = UserSerializer
    filterset_fields: ClassVar[list[str]] = ["is_active", "groups", "date_joined"]
    search_fields: ClassVar[list[str]] = ["username"]
    ordering_fields: ClassVar[list[str]] = ["username", "last_name"]


class Unsortable(Users):
    ordering_fields: ClassVar[list[str]] = []


urlpatterns = [
    path("api/mail/users", Users.as_view({"get": "list"})),
    path("api/mail/fixed", Unsortable.as_view({"get": "list"})),
    *product,
]


@pytest.fixture(autouse=True)
def _views(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    yield


@pytest.fixture
def crowd(api: APIClient) -> None:
    """With the operator 600."""
    User.objects.bulk_create(User(username=f"u{n:03}", is_active=bool(n % 2)) for n in range(599))


def test_a_page_has_fifty_rows_and_four_keys(api: APIClient, crowd: None) -> None:
    page = api.get(USERS).json()
    assert page.keys() == {"count", "next", "previous", "results"}
    assert (page["count"], len(page["results"]), page["previous"]) == (600, 50, None)
    assert page["next"].endswith("?page=2")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "rows"), [("7", 7), ("500", 500), ("501", 500), ("007", 7), ("9" * 5000, 500)]
)
def test_a_page_size_is_kept_between_one_and_five_hundred(
    api: APIClient, crowd: None, asked: str, rows: int
) -> None:
    assert len(api.get(USERS, {"page_size": asked}).json()["results"]) == rows


@pytest.mark.slow
@pytest.mark.parametrize("page", ["13", "0", "-1", "x", "9" * 30])
def test_a_page_that_is_not_there_is_404_in_shape(api: APIClient, crowd: None, page: str) -> None:
    assert api.get(USERS, {"page": "12"}).status_code == 200
    response = api.get(USERS, {"page": page})
    assert response.status_code == 404
    assert response.json().keys() == {"error", "message"}


def test_the_number_of_queries_does_not_grow(
    api: APIClient, crowd: None, django_assert_num_queries: Any
) -> None:
    for size in (1, 500):
        with django_assert_num_queries(3 if size == 500 else 4):  # the first use of the key is noted
            api.get(USERS, {"page_size": size})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "count"), [("true", 300), ("1", 300), ("false", 300), ("0", 300), ("", 600)]
)
def test_a_list_is_filtered(api: APIClient, crowd: None, word: str, count: int) -> None:
    assert api.get(USERS, {"is_active": word}).json()["count"] == count


@pytest.mark.parametrize("query", ["is_active=maybe", "groups=x", "groups=999999999", "date_joined=x"])
def test_a_value_that_cannot_be_is_refused_and_not_ignored(api: APIClient, query: str) -> None:
    response = api.get(f"{USERS}?{query}")
    assert response.status_code == 400
    assert list(response.json()["fields"]) == [query.partition("=")[0]]


def test_a_number_beyond_the_database_is_refused(api: APIClient) -> None:
    assert api.get(USERS, {"groups": "9" * 30}).status_code == 400


def test_an_unknown_parameter_is_refused(api: APIClient) -> None:
    refused = api.get(USERS, {"colour": "red", "page": "1", "is_activ": ""})
    assert refused.status_code == 400
    assert refused.json()["fields"] == {"colour": ["Unknown parameter."], "is_activ": ["Unknown parameter."]}


def test_a_list_is_searched(api: APIClient, crowd: None) -> None:
    assert api.get(USERS, {"search": "u59"}).json()["count"] == 9


def names(response: Any) -> list[str]:
    return [row["username"] for row in response.json()["results"]]


def test_a_list_is_ordered_both_ways(api: APIClient, crowd: None) -> None:
    assert names(api.get(USERS, {"ordering": "username"}))[0] == "operator"
    assert names(api.get(USERS, {"ordering": "-username"}))[0] == "u598"
    assert names(api.get(USERS, {"ordering": "last_name, -username"}))[0] == "u598"


@pytest.mark.slow
def test_equal_rows_do_not_wander_between_pages(api: APIClient, crowd: None) -> None:
    pages = [api.get(USERS, {"ordering": "last_name", "page": str(page)}) for page in range(1, 13)]
    assert len({name for page in pages for name in names(page)}) == 600


@pytest.mark.parametrize("word", ["password", "nothing", "-", "username,password", "user__password", "?"])
def test_an_ordering_that_is_not_offered_is_refused(api: APIClient, word: str) -> None:
    response = api.get(USERS, {"ordering": word})
    assert response.status_code == 400
    assert "username" in response.json()["fields"]["ordering"][0]


def test_a_list_that_offers_no_ordering_refuses_any(api: APIClient) -> None:
    assert api.get("/api/mail/fixed").status_code == 200
    assert api.get("/api/mail/fixed", {"ordering": "username"}).status_code == 400
