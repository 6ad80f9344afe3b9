"""Names that users know from `flytekit.exceptions`: pages over `hardpoint.errors`."""
