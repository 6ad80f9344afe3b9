"""Tasks: what they are, what templates they make, and how they run."""
