"""Write `fields.json` anew, with the reference: ``PYTHONPATH=. .venv-reference/bin/python tests/unit/types/write_fields.py``."""

import json
from pathlib import Path

from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.type_engine import TypeEngine

from tests.unit.types.field_cases import CASES

context = FlyteContextManager.current_context()
written = {}
for name, (t, values) in CASES.items():
    literal_type = TypeEngine.to_literal_type(t)
    written[name] = [
        message.to_flyte_idl().SerializeToString(deterministic=True).hex()
        for message in (literal_type, *(TypeEngine.to_literal(context, value, t, literal_type) for value in values))
    ]
Path(__file__).with_name("fields.json").write_text(
    json.dumps({name: [first, rest] for name, (first, *rest) in written.items()}, indent=1) + "\n"
)
