"""Frames with a Pandera schema: structured datasets that are validated when they are written and when they are read."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib import import_module
from typing import Annotated, Any, ClassVar

from hardpoint.context import FlyteContext, FlyteContextManager
from hardpoint.idl import Literal, LiteralType
from hardpoint.integrations.pandera.config import config_of
from hardpoint.integrations.pandera.schema import columns_of, columns_to_read, model_of, schema_of
from hardpoint.integrations.pandera.validation import KNOWN, WARNED, Outcome, validate
from hardpoint.types.codec import Codec, mismatch
from hardpoint.types.structured import MissingColumnsError, StructuredDataset, StructuredDatasetTransformerEngine
from hardpoint.types.structured.declaration import declaration
from hardpoint.types.transformer import TypeTransformer, runtime_class

__all__ = ["PanderaPandasTransformer", "PanderaPolarsTransformer"]

logger = logging.getLogger(__name__)

_structured = StructuredDatasetTransformerEngine()


class _FrameTransformer(TypeTransformer[Any]):
    """What is common to the frames of all libraries; writing and reading is the business of their dataset handlers."""

    title: ClassVar[str]
    marker: ClassVar[str]
    """The module of the class that Pandera's annotations are made from."""

    def __init__(self) -> None:
        # A task returns the library's own frames, not instances of the class that is only there for annotations.
        super().__init__(self.title, import_module(self.marker).DataFrame, enable_type_assertions=False)

    def get_literal_type(self, t: Any) -> LiteralType:
        """A structured dataset with the columns of the annotation, or else of the schema."""
        config_of(t)
        declared, schema = declaration(t), schema_of(t)
        if schema is not None and not declared.type.columns:
            declared.type.columns.extend(columns_of(schema))
        return declared.literal_type

    def compile(self, t: Any) -> Codec:
        return replace(super().compile(t), accepts=lambda value: isinstance(value, _frame_class(t)))

    # -- to the wire ---------------------------------------------------------------------------------------------------

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        cls = _frame_class(python_type)
        dataset = python_val if isinstance(python_val, StructuredDataset) else StructuredDataset(dataframe=python_val)
        frame = dataset.dataframe
        if dataset is python_val and not isinstance(frame, cls):
            frame = dataset.open(cls).all()
        if not isinstance(frame, cls):
            raise mismatch(python_type, python_val)
        outcome = self._validated(ctx, frame, python_type, "Output")
        options = dataset.write_options if dataset is python_val else declaration(python_type).write
        uri = dataset.uri if dataset.dataframe is not None else None
        kind = LiteralType()
        kind.CopyFrom(expected)
        if set(_names(outcome.frame)) != {column.name for column in expected.structured_dataset_type.columns}:
            # Columns that the schema does not name are handed on too; readers take a literal's list for the whole.
            del kind.structured_dataset_type.columns[:]
        literal = _structured.to_literal(
            ctx,
            StructuredDataset(dataframe=outcome.frame, uri=uri, file_format=dataset.file_format, write_options=options),
            StructuredDataset,
            kind,
        )
        if uri is None:  # what somebody else may write to can change
            written = literal.scalar.structured_dataset.uri
            if outcome.passed:
                KNOWN.add(_execution(ctx), written, model_of(python_type))
            elif outcome.error is not None and not outcome.dropped:
                WARNED.add(None, written, model_of(python_type))
        return literal

    # -- from the wire -------------------------------------------------------------------------------------------------

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        extras = getattr(expected_python_type, "__metadata__", ())
        forwarded: Any = Annotated[StructuredDataset, *extras] if extras else StructuredDataset
        dataset: StructuredDataset = _structured.to_python_value(ctx, lv, forwarded)
        return self._open(ctx, dataset, expected_python_type)

    def _open(self, ctx: FlyteContext, dataset: StructuredDataset, t: Any) -> Any:
        schema, cls = schema_of(t), _frame_class(t)
        columns = None
        if schema is not None and config_of(t).prune and not declaration(t).type.columns:
            columns = columns_to_read(schema)
        try:
            frame = dataset.open(cls, columns=columns).all()
        except MissingColumnsError as error:
            missing: list[str] = vars(error)["missing"]
            if columns is None or set(columns) == set(missing):
                raise
            # Those that have to be there are missed by the schema too, which can say more about it.
            frame = dataset.open(cls, columns=[name for name in columns if name not in missing]).all()
        if KNOWN.has(_execution(ctx), dataset.uri or "", model_of(t)):
            return frame
        return self._validated(ctx, frame, t, "Input", dataset.uri or "").frame

    # -- inside of dataclasses and models ------------------------------------------------------------------------------

    def to_plain(self, value: Any, t: Any) -> Any:
        literal = self.to_literal(FlyteContextManager.current_context(), value, t, self.get_literal_type(t))
        dataset = literal.scalar.structured_dataset
        return {"uri": dataset.uri, "file_format": dataset.metadata.structured_dataset_type.format}

    def from_plain(self, data: Any, t: Any) -> Any:
        return self._open(FlyteContextManager.current_context(), _structured.from_plain(data, StructuredDataset), t)

    def plain_schema(self, t: Any) -> dict[str, Any]:
        return _structured.plain_schema(t)

    # -- validation ----------------------------------------------------------------------------------------------------

    def _validated(self, ctx: FlyteContext, frame: Any, t: Any, direction: str, uri: str = "") -> Outcome:
        """The outcome for a frame, which was read from `uri`; the report is in the deck already, and the warning in the log.

        Raises:
            FrameValidationError: the frame does not fit, and nobody said that this is no error.
        """
        schema, config = schema_of(t), config_of(t)
        if schema is None:
            return Outcome(frame)
        outcome = validate(frame, schema, config)
        if config.report and ctx.user_space_params.enable_deck:
            _report(frame, schema, outcome, direction)
        if outcome.error is not None:
            if outcome.dropped:
                logger.warning("Rows that were dropped: %d. %s", outcome.dropped, outcome.error.message)
            elif config.on_error != "warn":
                raise outcome.error
            elif not WARNED.has(None, uri, model_of(t)):
                logger.warning("%s", outcome.error.message)
        return outcome


class PanderaPandasTransformer(_FrameTransformer):
    """Carries ``pandera.typing.DataFrame[Model]``."""

    title = "Pandera Transformer"
    marker = "pandera.typing.pandas"


class PanderaPolarsTransformer(_FrameTransformer):
    """Carries ``pandera.typing.polars.DataFrame[Model]``, and ``LazyFrame[Model]``, of which the schema is checked."""

    title = "Pandera Polars Transformer"
    marker = "pandera.typing.polars"


def _frame_class(t: Any) -> type:
    """The library's class that Pandera's class for annotations is derived from."""
    bases: tuple[type, ...] = runtime_class(t).__mro__
    return next(base for base in bases if base.__module__.partition(".")[0] in ("pandas", "polars"))


def _names(frame: Any) -> list[str]:
    lazy = getattr(frame, "collect_schema", None)
    return list(frame.columns if lazy is None else lazy())


def _execution(ctx: FlyteContext) -> str:
    return str(ctx.user_space_params.execution_id.execution)


def _report(frame: Any, schema: Any, outcome: Outcome, direction: str) -> None:
    """Leave a report in the deck; what goes wrong with it is not what the task is about."""
    from hardpoint.deck import Deck
    from hardpoint.integrations.pandera.report import PandasReportRenderer

    try:
        html = PandasReportRenderer(direction).to_html(frame, schema, outcome.error, outcome.dropped)
        Deck(f"Pandera Report: {schema.name}", html)
    except Exception:
        logger.warning("The validation report could not be made.", exc_info=True)
