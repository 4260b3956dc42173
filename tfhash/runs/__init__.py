"""Runs: specs and recipes, the store of run directories, and tidy tables of what runs hold."""

from tfhash.runs.cnn_recipes import CNN_RECIPES, CnnRecipe, cnn_recipe
from tfhash.runs.cnn_spec import CnnSpec
from tfhash.runs.layout import checkpoints, set_aside
from tfhash.runs.recipes import RECIPES, Recipe, recipe
from tfhash.runs.records import ResultsError
from tfhash.runs.spec import RunSpec
from tfhash.runs.spec_json import SpecError
from tfhash.runs.states import StateFile
from tfhash.runs.store import AnySpec, RunError, Runs, StoredRun, find_runs, read_spec, stored_runs
from tfhash.runs.writer import HISTORY_COLUMNS, RunWriter

__all__ = [
    "CNN_RECIPES",
    "HISTORY_COLUMNS",
    "RECIPES",
    "AnySpec",
    "CnnRecipe",
    "CnnSpec",
    "Recipe",
    "ResultsError",
    "RunError",
    "RunSpec",
    "RunWriter",
    "Runs",
    "SpecError",
    "StateFile",
    "StoredRun",
    "checkpoints",
    "cnn_recipe",
    "find_runs",
    "read_spec",
    "recipe",
    "set_aside",
    "stored_runs",
]
