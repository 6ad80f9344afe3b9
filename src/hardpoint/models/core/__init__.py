"""Names that users know from `flytekit.models.core`."""
