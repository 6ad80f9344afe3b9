"""Pages where users of Flytekit look for the names of its core; each hands on what is elsewhere."""
