"""The web process: what it does before it serves."""

import gc

from quazzar.processes import web


def test_what_is_loaded_once_is_spared_the_garbage_collector() -> None:
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    kept: list[list[int]] = [[] for _ in range(1000)]
    web._settle()
    assert gc.get_freeze_count() > max(frozen, len(kept))
