"""Names that users know from `flytekit.lazy_import`."""
