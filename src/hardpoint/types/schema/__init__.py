"""Tables as older code declares them; new code uses `hardpoint.types.structured`."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.types.schema.handlers import LocalIOSchemaReader as LocalIOSchemaReader
    from hardpoint.types.schema.handlers import LocalIOSchemaWriter as LocalIOSchemaWriter
    from hardpoint.types.schema.handlers import SchemaEngine as SchemaEngine
    from hardpoint.types.schema.handlers import SchemaFormat as SchemaFormat
    from hardpoint.types.schema.handlers import SchemaHandler as SchemaHandler
    from hardpoint.types.schema.handlers import SchemaOpenMode as SchemaOpenMode
    from hardpoint.types.schema.handlers import SchemaReader as SchemaReader
    from hardpoint.types.schema.handlers import SchemaWriter as SchemaWriter
    from hardpoint.types.schema.schema import FlyteSchema as FlyteSchema
    from hardpoint.types.schema.transformer import FlyteSchemaTransformer as FlyteSchemaTransformer

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "FlyteSchema": ".schema:FlyteSchema",
        "FlyteSchemaTransformer": ".transformer:FlyteSchemaTransformer",
        "LocalIOSchemaReader": ".handlers:LocalIOSchemaReader",
        "LocalIOSchemaWriter": ".handlers:LocalIOSchemaWriter",
        "SchemaEngine": ".handlers:SchemaEngine",
        "SchemaFormat": ".handlers:SchemaFormat",
        "SchemaHandler": ".handlers:SchemaHandler",
        "SchemaOpenMode": ".handlers:SchemaOpenMode",
        "SchemaReader": ".handlers:SchemaReader",
        "SchemaWriter": ".handlers:SchemaWriter",
    },
)
