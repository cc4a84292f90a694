"""What the tests' own check of every page finds."""

import pytest

from tests.markup import forbidden, repeated_ids


@pytest.mark.parametrize(
    ("page", "ids"),
    [
        ('<main id="main"><div class="a" id="content"><p\n id="content">', ["content"]),
        ("<i id='a'></i><b id=a></b><b data-id='a'></b>", []),
        ('<i id="a"></i><!-- <i id="a"></i> --><p>an id="a" in words</p>', []),
    ],
)
def test_an_id_that_two_elements_have_is_found(page: str, ids: list[str]) -> None:
    assert repeated_ids(page) == ids


def test_what_the_policy_forbids_is_found_and_nothing_else() -> None:
    assert forbidden('<script>x()</script><p style="color:red" onclick="x()"></p>') != []
    assert forbidden('<script src="/static/x.js"></script><code>onclick="x()"</code>') == []
