"""An integration that brings a store."""
