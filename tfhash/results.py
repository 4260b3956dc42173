"""Results: what run directories hold, as one tidy table, and the paper's numbers beside it.

The public module for the tables of `tfhash.runs`: it reads, never writes, and needs no Keras.
"""

from tfhash._extras import named_if_missing

with named_if_missing("tfhash.results"):
    from tfhash.runs.layout import (
        DIAMETERS_FILE,
        HISTORY_FILE,
        LAYER_WISE_FILE,
        PLANE_FILE,
        PROPERTIES_FILE,
        SPEC_FILE,
        checkpoint_file,
        checkpoints,
    )
    from tfhash.runs.paper import deviations, paper_curves, paper_tables
    from tfhash.runs.records import ResultsError, read_epochs, read_properties
    from tfhash.runs.store import find_runs
    from tfhash.runs.tables import (
        STAGES,
        curves,
        last_epoch,
        load,
        load_diameters,
        load_layer_wise,
        load_planes,
        run_columns,
        summary,
    )
    from tfhash.runs.writer import HISTORY_COLUMNS

__all__ = [
    "DIAMETERS_FILE",
    "HISTORY_COLUMNS",
    "HISTORY_FILE",
    "LAYER_WISE_FILE",
    "PLANE_FILE",
    "PROPERTIES_FILE",
    "SPEC_FILE",
    "STAGES",
    "ResultsError",
    "checkpoint_file",
    "checkpoints",
    "curves",
    "deviations",
    "find_runs",
    "last_epoch",
    "load",
    "load_diameters",
    "load_layer_wise",
    "load_planes",
    "paper_curves",
    "paper_tables",
    "read_epochs",
    "read_properties",
    "run_columns",
    "summary",
]
