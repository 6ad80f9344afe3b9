"""Kept names of what serves tasks elsewhere."""
