"""What users write to say that a type shall travel as a pickle."""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = ["AllowPickle", "FlytePickle"]


class AllowPickle:
    """Says that a type travels as a pickle on purpose: ``Annotated[Model, AllowPickle()]``.

    It silences the warning, and stands above the setting ``types.pickle``.
    """

    def __repr__(self) -> str:
        return "AllowPickle()"


class FlytePickle:
    """Stands for a type that travels as a pickle, where nothing else is known of it: ``FlytePickle[Model]``."""

    _python_type: ClassVar[Any] = None
    _of_type: ClassVar[dict[Any, type[FlytePickle]]] = {}

    @classmethod
    def python_type(cls) -> Any:
        """The type in the brackets; None if there was none."""
        return cls._python_type

    def __class_getitem__(cls, python_type: Any) -> type[FlytePickle]:
        if python_type is None:
            return FlytePickle
        known = FlytePickle._of_type.get(python_type)
        if known is None:
            body = {"_python_type": python_type, "__module__": __name__, "__doc__": cls.__doc__}
            known = FlytePickle._of_type.setdefault(python_type, type("FlytePickle", (FlytePickle,), body))
        return known
