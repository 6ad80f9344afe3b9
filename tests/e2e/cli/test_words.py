from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.cli import words


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h30m", 5400),
        ("90", 90),
        ("1.5", 1.5),
        ("2w 3d", 17 * 86400),
        ("250ms", 0.25),
        ("10us", 0.00001),
        ("-5m", -300),
        ("PT1H30M", 5400),
        ("P1DT0.5S", 86400.5),
        ("P2W", 14 * 86400),
        ("0", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert words.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "x", "1y", "P", "PT", "1h30", "h", "P1M", "1e3", "9999999999d", "--5"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError):
        words.duration(text)


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59))
def test_every_sum_of_units_is_read(hours: int, minutes: int, seconds: int) -> None:
    expected = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert words.duration(f"{hours}h{minutes}m{seconds}s") == expected
    assert words.duration(f"PT{hours}H{minutes}M{seconds}S") == expected


def test_moments() -> None:
    assert words.moment("2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC)
    assert words.moment("2026-01-31T12:00+02:00") == datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))
    assert abs(words.moment("now") - datetime.now(UTC)) < timedelta(seconds=5)
    assert abs(words.moment("now - 1h30m") + timedelta(minutes=90) - datetime.now(UTC)) < timedelta(seconds=5)
    assert words.moment("today+1d").hour == 0
    assert words.day("today") == datetime.now(UTC).date()
    assert words.day("2026-01-31") == date(2026, 1, 31)
    for text in ("", "tomorrow", "now 1h", "2026-13-01", "now + 9999999d"):
        with pytest.raises(ValueError):
            words.moment(text)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        ("{a: 1, b: [x, 1.5]}", {"a": 1, "b": ["x", 1.5]}),
        ("a: 1\nb:\n- 2\n", {"a": 1, "b": [2]}),
        # YAML 1.1 would make times, truth and numbers of these.
        (
            "[2026-01-31, yes, no, on, NO, 1:30, 1_000, 010, 0x1F]",
            ["2026-01-31", "yes", "no", "on", "NO", "1:30", "1_000", "010", "0x1F"],
        ),
        ("[1e3, .5, -.inf, ~, 'x']", [1000.0, 0.5, float("-inf"), None, "x"]),
        ("a b c", "a b c"),
    ],
)
def test_data(text: str, data: Any) -> None:
    assert words.load(text) == data


@pytest.mark.parametrize("text", ["[1, 2", "{a: b: c}", "a: b: c", "!!python/object/apply:os.getcwd []", "&a [*a"])
def test_no_data(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1"):
        words.load(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_json_is_read_as_json(data: Any) -> None:
    import json

    assert words.load(json.dumps(data)) == data
