"""memray's decorator behaves as every decorator should."""

from __future__ import annotations

from typing import Any, ClassVar

from hardpoint.integrations.memray import memray_profiling
from hardpoint.integrations.memray.profiling import _active
from hardpoint.testing import ClassDecoratorConformance


class TestMemray(ClassDecoratorConformance):
    decorator = memray_profiling
    options: ClassVar[dict[str, Any]] = {"memray_html_reporter": "table", "memray_reporter_args": ["--leaks"]}
    active = _active.locked
