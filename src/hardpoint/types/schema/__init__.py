"""Tables as older code declares them; new code uses `hardpoint.types.structured`."""

from hardpoint._lazy import attach

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
