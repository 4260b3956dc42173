"""One page on a model and its data: `tfhash.report`."""

from tfhash._extras import named_if_missing

with named_if_missing("tfhash.report"):
    from tfhash.reporting.page import report

__all__ = ["report"]
