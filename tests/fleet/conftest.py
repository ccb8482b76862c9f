"""One supervisor for all of these tests: it takes a second to start. Those that speak of it have their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from irconv.fleet import engine


@pytest.fixture(autouse=True, scope="package")
def one_supervisor() -> Iterator[None]:
    end = engine.close
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "close", lambda: None)
        yield
    end()
