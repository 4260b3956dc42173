"""A smaller model with the same outputs: dead, always-on and equal units removed, with proof."""

from tfhash._extras import named_if_missing

with named_if_missing("tfhash.surgery"):
    from tfhash.surgery.report import SurgeryReport, UnitChange
    from tfhash.surgery.simplify import simplify

__all__ = ["SurgeryReport", "UnitChange", "simplify"]
