"""The hierarchy of errors: what each is, what it says, and that it survives a process boundary."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from hardpoint import errors
from hardpoint.errors import (
    FlyteAssertion,
    FlyteRecoverableException,
    HardpointError,
    MissingDependencyError,
    PermanentError,
    SecretNotFoundError,
    TransientError,
    TypeTransformerFailedError,
    UserError,
)

CLASSES = [
    cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, HardpointError)
]  # fmt: skip


def test_all_names_every_error() -> None:
    assert sorted(errors.__all__) == sorted(cls.__name__ for cls in CLASSES)


@pytest.mark.parametrize("cls", [c for c in CLASSES if c is not HardpointError], ids=lambda c: c.__name__)
def test_each_error_says_what_the_caller_should_do(cls: type[HardpointError]) -> None:
    verdicts = [kind for kind in (UserError, TransientError, PermanentError) if issubclass(cls, kind)]
    assert len(verdicts) == 1
    assert cls.code.startswith("USER:" if verdicts == [UserError] else ("SYSTEM:", "USER:"))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_the_tree_in_the_docstring_is_the_real_one(cls: type[HardpointError]) -> None:
    assert cls.__name__ in str(errors.__doc__)


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (TypeTransformerFailedError, TypeError),
        (TypeTransformerFailedError, ValueError),
        (TypeTransformerFailedError, AssertionError),
        (FlyteAssertion, AssertionError),
        (MissingDependencyError, ImportError),
        (SecretNotFoundError, ValueError),
        (FlyteRecoverableException, TransientError),
    ],
)
def test_code_that_catches_the_builtin_goes_on_working(cls: type[HardpointError], builtin: type[Exception]) -> None:
    assert issubclass(cls, builtin)


def test_the_remedy_has_a_line_of_its_own() -> None:
    assert str(UserError("It failed.", remedy="Mend it.")) == "It failed.\n  -> Mend it."
    assert str(UserError("It failed.")) == "It failed."


def test_facts_are_attributes() -> None:
    assert UserError("no", column="a").column == "a"  # type: ignore[attr-defined]
    assert TransientError("later", retry_after=1.5).retry_after == 1.5


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            MissingDependencyError("Polars", "polars>=1.0", "polars"),
            "Polars needs polars>=1.0, but it is not installed.\n  -> pip install 'hardpoint[polars]'",
        ),
        (
            MissingDependencyError("LakeQ", "lakeq>=3", "lakeq", found="lakeq 2.9", distribution="hardpoint-lakeq"),
            "LakeQ needs lakeq>=3, but lakeq 2.9 is installed.\n  -> pip install 'hardpoint-lakeq[lakeq]'",
        ),
        (
            MissingDependencyError("LakeQ", "lakeq>=3", None),
            "LakeQ needs lakeq>=3, but it is not installed.\n  -> pip install 'lakeq>=3'",
        ),
    ],
)
def test_a_missing_library_names_the_command_that_installs_it(error: MissingDependencyError, text: str) -> None:
    assert str(error) == text


EXAMPLES: list[HardpointError] = [
    UserError("no", remedy="Mend it.", column="a"),
    TransientError("later", retry_after=3),
    MissingDependencyError("Polars", "polars>=1.0", "polars", found="polars 0.8"),
    *(cls("no") for cls in CLASSES if cls is not MissingDependencyError),
]


@pytest.mark.parametrize("copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy], ids=["pickle", "copy"])
@pytest.mark.parametrize("error", EXAMPLES, ids=lambda e: type(e).__name__)
def test_errors_cross_a_process_boundary(error: HardpointError, copied: object) -> None:
    error.__notes__ = ["Error encountered while executing 'f'"]
    twin = copied(error)  # type: ignore[operator]
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)
    assert twin.__notes__ == ["Error encountered while executing 'f'"]
