from __future__ import annotations

import subprocess
import sys

FOREIGN = ("asyncio", "pandas", "pyarrow", "numpy", "grpc", "fsspec", "pydantic", "kubernetes", "pickle", "cloudpickle")

PROGRAM = """
import sys
import hardpoint.idl
before = set(sys.modules)
from hardpoint.tasks.task import task

@task
def t(a: int) -> int:
    return a

print(*sorted(set(sys.modules) - before))
"""


def test_a_decorated_function_imports_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    assert [name for name in loaded if name.partition(".")[0] in FOREIGN] == []
    # Types are compiled, images described and decks made only when they are needed.
    for room in ("hardpoint.types.engine", "hardpoint.deck", "hardpoint.tasks.image_spec", "hardpoint.engine"):
        assert room not in loaded
