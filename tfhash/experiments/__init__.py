"""Experiments: the only place that joins the stages. One file per factor studied."""

from tfhash.experiments.options import METRICS, Options

__all__ = ["METRICS", "Options"]
