"""Hardpoint: the integration layer that Python workflows have."""
