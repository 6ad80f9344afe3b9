"""Profile the memory of a task. Run it: hardpoint run examples/memray_example.py histogram_of_squares."""

from hardpoint import task, workflow
from hardpoint.integrations.memray import memray_profiling


@task(enable_deck=True)
@memray_profiling(memray_html_reporter="table")
def count(n: int, bins: int) -> list[int]:
    squares = [i * i for i in range(n)]  # what the report will show
    counts = [0] * bins
    for square in squares:
        counts[square % bins] += 1
    return counts


@workflow
def histogram_of_squares(n: int = 200_000, bins: int = 8) -> list[int]:
    return count(n=n, bins=bins)
