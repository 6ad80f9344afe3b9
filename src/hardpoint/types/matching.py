"""Whether a value of one literal type may go where another literal type is expected."""

from __future__ import annotations

from hardpoint.idl import LiteralType, SimpleType

__all__ = ["castable"]


def castable(upstream: LiteralType, downstream: LiteralType) -> bool:
    """Whether every value of `upstream` fits `downstream`. Metadata, structure and annotations do not count.

    Rules: flytepropeller, pkg/compiler/validators/typing.go.
    """
    if upstream.WhichOneof("type") == "union_type":
        return all(castable(variant, downstream) for variant in upstream.union_type.variants)
    kind = downstream.WhichOneof("type")
    if kind == "union_type":
        return any(castable(upstream, variant) for variant in downstream.union_type.variants)
    up = upstream.WhichOneof("type")
    if up == "collection_type" and kind == "collection_type":
        return castable(upstream.collection_type, downstream.collection_type)
    if up == "map_value_type" and kind == "map_value_type":
        return castable(upstream.map_value_type, downstream.map_value_type)
    if up == "enum_type":
        if kind == "simple":
            return downstream.simple == SimpleType.STRING
        return kind == "enum_type" and set(upstream.enum_type.values) <= set(downstream.enum_type.values)
    if up == "structured_dataset_type" and kind == "structured_dataset_type":
        a, b = upstream.structured_dataset_type, downstream.structured_dataset_type
        if a.format and b.format and a.format != b.format:
            return False
        if b.columns and a.columns:
            have = {c.name: c.literal_type for c in a.columns}
            if any(c.name not in have or not castable(have[c.name], c.literal_type) for c in b.columns):
                return False
        return a.external_schema_bytes == b.external_schema_bytes or not b.external_schema_bytes
    if {up, kind} == {"schema", "structured_dataset_type"}:
        return True
    if up == "simple" and kind == "simple":
        return upstream.simple == downstream.simple
    if up == "blob" and kind == "blob":
        same = upstream.blob.dimensionality == downstream.blob.dimensionality
        return same and (upstream.blob.format == downstream.blob.format or not downstream.blob.format)
    if up == "schema" and kind == "schema":
        return list(upstream.schema.columns) == list(downstream.schema.columns) or not downstream.schema.columns
    return False
