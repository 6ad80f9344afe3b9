"""Names that users know from `flytekit.extras`."""
