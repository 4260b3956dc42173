"""A dataset as a model sees it: duplicates, leakage, wrong labels, coverage, and what is new."""

from tfhash.audit.coverage import Coverage, CoverageResult, coverage, top_units
from tfhash.audit.duplicates import DuplicateGroup, duplicate_groups, leakage, near_duplicates
from tfhash.audit.labels import Examples, LabelErrors, examples, label_errors
from tfhash.audit.monitor import RegionMonitor

__all__ = [
    "Coverage",
    "CoverageResult",
    "DuplicateGroup",
    "Examples",
    "LabelErrors",
    "RegionMonitor",
    "coverage",
    "duplicate_groups",
    "examples",
    "label_errors",
    "leakage",
    "near_duplicates",
    "top_units",
]
