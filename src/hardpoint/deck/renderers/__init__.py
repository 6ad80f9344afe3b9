"""The renderers, a module for each kind. Their libraries are imported when something is rendered."""
