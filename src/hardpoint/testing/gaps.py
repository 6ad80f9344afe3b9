"""Gaps: what an implementation cannot do, as strict markers with a reason and the error that it must raise.

When a gap closes, the suite fails until its marker goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

__all__ = ["Conformance", "Gap", "never", "notimpl", "upstream"]


@dataclass(frozen=True)
class Gap:
    """One test of a suite that an implementation does not pass.

    Args:
        test: The test's name without ``test_``.
        reason: Why, as one sentence.
        raises: The error that is raised instead.
        kind: ``notimpl``, ``upstream`` or ``never``.
    """

    test: str
    reason: str
    raises: type[BaseException] | tuple[type[BaseException], ...]
    kind: str


def notimpl(test: str, *, raises: type[BaseException] | tuple[type[BaseException], ...], reason: str) -> Gap:
    """Not implemented by us yet."""
    return Gap(test, reason, raises, "notimpl")


def upstream(test: str, *, raises: type[BaseException] | tuple[type[BaseException], ...], reason: str) -> Gap:
    """Not possible until the library or service changes."""
    return Gap(test, reason, raises, "upstream")


def never(test: str, *, raises: type[BaseException] | tuple[type[BaseException], ...], reason: str) -> Gap:
    """Makes no sense for this implementation."""
    return Gap(test, reason, raises, "never")


class Conformance:
    """Base of the suites: applies the gaps. A gap that names no test of the suite is an error."""

    gaps: ClassVar[Sequence[Gap]] = ()

    @pytest.fixture(autouse=True)
    def _apply_gaps(self, request: pytest.FixtureRequest) -> None:
        names = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")}
        for gap in self.gaps:
            if gap.test not in names:
                pytest.fail(f"gap {gap.test!r} names no test of the suite; there are {', '.join(sorted(names))}")
            function: Any = getattr(request.node, "originalname", request.node.name)
            if function == f"test_{gap.test}":
                request.applymarker(
                    pytest.mark.xfail(raises=gap.raises, reason=f"{gap.kind}: {gap.reason}", strict=True)
                )
