"""A third party's integration passes the suite that ships with the package."""

from __future__ import annotations

import lakeq
from hardpoint.testing import CodecConformance


class TestInterval(CodecConformance):
    python_type = lakeq.Interval
    name = "LakeQ interval"
    values = (lakeq.Interval(1, 5), lakeq.Interval(-3, 0))
    wrong = ("1..5", range(1, 5))
