"""The library of a vendor who has never heard of Hardpoint."""

from lakeq._interval import Interval

__all__ = ["Interval"]
