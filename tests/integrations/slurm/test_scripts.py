"""Values in scripts: they never become code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.integrations.slurm.scripts import (
    check_script,
    function_script,
    interpolate,
    names_in,
    shell_script,
)
from hardpoint.tasks.command import EXECUTE, FAST_EXECUTE

NASTY = 'it\'s; touch pwned `touch pwned` $(touch pwned) "$HOME" \\ * {x}\n#'


def run(script: str, folder: Path) -> str:
    (folder / "script").write_text(script)
    ran = subprocess.run(["bash", "script"], cwd=folder, capture_output=True, text=True, check=True, timeout=30)
    assert not (folder / "pwned").exists()
    return ran.stdout


@pytest.mark.parametrize("value", ["plain", "two words", NASTY, ""])
@pytest.mark.parametrize(
    ("line", "prints"),
    [
        ("printf '<%s>' {inputs.x}", "<VALUE>"),
        ('printf "<%s>" "{inputs.x}"', "<VALUE>"),
        ('printf "<%s>" "a {inputs.x} b"', "<a VALUE b>"),
        ("printf '<%s>' 'a {inputs.x} b'", "<a VALUE b>"),
        ("printf '<%s>' --x={inputs.x}", "<--x=VALUE>"),
        ('printf "<%s>" "$(printf %s "{inputs.x}"; printf .)"', "<VALUE.>"),
        ("printf '<%s>' $(printf x) {inputs.x}", "<x><VALUE>"),
        ("# don't\nprintf '<%s>' {inputs.x}", "<VALUE>"),
        ("echo it\\'s\nprintf '<%s>' {inputs.x}", "it's\n<VALUE>"),
        ("cat <<EOF\nit's {inputs.x}\nEOF\nprintf '<%s>' {inputs.x}", "it's VALUE\n<VALUE>"),
        ("\tcat <<-EOF\n\tit's\n\tEOF\nprintf '<%s>' {inputs.x}", "it's\n<VALUE>"),
        ("cat <<'EOF'\n\"\nEOF\nprintf '<%s>' {inputs.x}", '"\n<VALUE>'),
        ('cat <<<"{inputs.x}."', "VALUE.\n"),
        ("printf '<%s>' ${{PWD:0:1}} {inputs.x}", "</><VALUE>"),
        ("f() { printf '<%s>' \"$1\"; }\nf {inputs.x}", "<VALUE>"),
        ("case x in x) printf '<%s>' {inputs.x};; esac", "<VALUE>"),
        ("printf '<%s>' a#b {inputs.x} # {inputs.x}", "<a#b><VALUE>"),
    ],
)
def test_a_value_is_itself_in_whatever_quotes_it_stands(tmp_path: Path, line: str, prints: str, value: str) -> None:
    script = shell_script(f"#!/bin/bash\n#SBATCH --time=1\nset -eu\n{line}\n", {"inputs.x": value})
    assert script.startswith("#!/bin/bash\n#SBATCH --time=1\nHARDPOINT_inputs_x=")
    assert run(script, tmp_path) == prints.replace("VALUE", value)


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.sampled_from("\"'`$(){}\\#<>;&|EOF \n\tax"), max_size=30),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=20),
)
def test_no_value_becomes_code_whatever_the_script(around: str, value: str) -> None:
    """The script's text is the same for all values, but for where the variables are set: there they are quoted."""
    text = f"#!/bin/bash\n{around.replace('{', '').replace('}', '')}{{inputs.x}}\n"
    try:
        first, second = (shell_script(text, {"inputs.x": each}) for each in (value, "other"))
    except UserError:
        return
    quoted = subprocess.run(
        ["bash", "-c", f"{_assignment(first, second)}; printf '%s.' \"$HARDPOINT_inputs_x\""],
        capture_output=True,
        text=True,
        check=True,
    )
    assert quoted.stdout == f"{value}."


def _assignment(first: str, second: str) -> str:
    """What the two scripts do not share: the values. It fails if they differ in more than one place."""
    name = "HARDPOINT_inputs_x="
    before, mark, rest = second.partition(f"{name}other\n")
    assert mark
    assert first.startswith(before + name)
    assert first.endswith("\n" + rest)
    return first[len(before) : len(first) - len(rest) - 1]


def test_numbers_are_numbers_in_every_language(tmp_path: Path) -> None:
    script = shell_script(
        "#!/usr/bin/env python3\nprint({inputs.n} + 1)\n", {"inputs.n": "41"}, frozenset({"inputs.n"})
    )
    assert script == "#!/usr/bin/env python3\nprint(41 + 1)\n"


def test_text_in_another_language_is_refused() -> None:
    with pytest.raises(UserError, match=r"\{inputs.x\} stands in a script for /usr/bin/env python3, and is text"):
        shell_script("#!/usr/bin/env python3\nprint('{inputs.x}')\n", {"inputs.x": "a"})


@pytest.mark.parametrize("shell", ["#!/bin/sh", "#!/bin/bash -l", "#! /usr/bin/env bash", "#!/usr/bin/zsh"])
def test_shells(shell: str) -> None:
    assert '"${HARDPOINT_inputs_x}"' in shell_script(f"{shell}\necho {{inputs.x}}\n", {"inputs.x": "a b"})


def test_a_directive_takes_what_needs_no_quotes() -> None:
    text = "#!/bin/bash\n#SBATCH --output={inputs.x}\ntrue\n"
    assert "#SBATCH --output=logs/1.out\n" in shell_script(text, {"inputs.x": "logs/1.out"})
    with pytest.raises(UserError, match="stands in a line of #SBATCH"):
        shell_script(text, {"inputs.x": "a b"})


def test_a_quoted_here_document_is_refused() -> None:
    with pytest.raises(UserError, match="here-document whose delimiter 'EOF' is quoted"):
        shell_script("#!/bin/sh\ncat <<'EOF'\n{inputs.x}\nEOF\n", {"inputs.x": "a"})


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(UserError, match=r"The script names \{inputs.y\}; there is inputs.x."):
        shell_script("#!/bin/sh\necho {inputs.y}\n", {"inputs.x": "a"})
    with pytest.raises(UserError, match="without attributes, elements or formats"):
        interpolate("/out/{inputs.x.y}", {"inputs.x": "a"}, "The location")


def test_braces() -> None:
    assert shell_script("#!/bin/sh\necho ${{x}} ${y} {a,b}\n", {}) == "#!/bin/sh\necho ${x} ${y} {a,b}\n"
    assert interpolate("/out/{{{inputs.x}}}", {"inputs.x": "a"}, "The location") == "/out/{a}"
    assert names_in("{inputs.x} {{inputs.y}} {other} {ctx.working_directory}") == {"inputs.x", "ctx.working_directory"}


@pytest.mark.parametrize("script", ["", "echo hello\n", "#!/bin/bash\n", "#!/bin/bash\n# nothing\n\n"])
def test_a_script_that_can_do_nothing_is_refused(script: str) -> None:
    with pytest.raises(FlyteValidationException):
        check_script(script)


def test_a_functions_command() -> None:
    script = function_script(None, [EXECUTE, "--inputs", "a b"], {"A": "it's"})
    assert script == (
        "#!/bin/bash -i\nenv 'A=it'\"'\"'s' python3 -m hardpoint.integrations.slurm.execute execute --inputs 'a b'\n"
    )
    own = function_script("#!/bin/sh\nsrun {task.fn}\n", ["pyflyte-execute", "--inputs", "x"], {})
    assert own == "#!/bin/sh\nsrun pyflyte-execute --inputs x\n"
    fast = function_script(
        "#!/bin/sh\n{task.fn}\n", [FAST_EXECUTE, "--dest-dir", "d", "--", EXECUTE, "--inputs", "x"], {}
    )
    assert "execute fast-execute --dest-dir d -- hardpoint-execute --inputs x\n" in fast
