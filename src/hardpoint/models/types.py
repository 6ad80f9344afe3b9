"""Names that users know from `flytekit.models.types`."""

from flyteidl.core.types_pb2 import SimpleType

from hardpoint.models.messages import EnumType, LiteralType, SchemaType, StructuredDatasetType, TypeStructure, UnionType

__all__ = ["EnumType", "LiteralType", "SchemaType", "SimpleType", "StructuredDatasetType", "TypeStructure", "UnionType"]
