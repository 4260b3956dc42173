"""Small networks on the digits that tests of training train."""

from tfhash import runs
from tfhash.runs import RunSpec


def spec(**changes):
    """The spec of one, of the paper's recipe but for `changes`."""
    given = {"experiment": "layer_width", "width": 6, "repeat": 1, "epochs": 1, **changes}
    return RunSpec.from_recipe(runs.recipe("paper", "digits"), **given)
