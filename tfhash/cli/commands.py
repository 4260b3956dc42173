"""The commands: which options each takes, and what it calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from absl import flags

from tfhash.cli import audit_files, user_files
from tfhash.cli.flag_making import define, given
from tfhash.studies import registry
from tfhash.studies.loading import load_keras
from tfhash.studies.options import MEASURE, TRAIN
from tfhash.studies.study import Study

# Studies whose networks can be trained along with those of another one.
ALSO = ("layer_width", "training_time", "layer_wise")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command.

    Attributes
    ----------
    title : str
        One line on what it does.
    define : callable
        Defines its flags: takes the `FlagValues` and the folder that runs/ is in by default.
    act : callable
        Does it: takes the flags' values and its arguments.
    arguments : tuple of str
        Names of what it takes besides flags.
    """

    title: str
    define: Callable[[flags.FlagValues, Path], None]
    act: Callable[..., None]
    arguments: tuple[str, ...] = ()


def _of_study(study: Study, title: str, stages: Sequence[str]) -> Command:
    """Training the networks of a study, measuring them, or both."""
    path = "save_path" if TRAIN in stages else "load_path"

    def wanted(metadata: Mapping[str, Any]) -> bool:
        axis = metadata["axis"]
        varied = axis in (None, "width") or study.has_axis(axis)
        return varied and bool(set(stages) & set(metadata["stages"]))

    def define_flags(values: flags.FlagValues, home: Path) -> None:
        define(study.options, values, home, wanted, path)
        if stages == (TRAIN,) and study.name != "cnn":
            flags.DEFINE_multi_enum(
                "also",
                [],
                list(ALSO),
                "Train the networks of another study too; one that both need is trained once.",
                flag_values=values,
            )

    def act(values: flags.FlagValues) -> None:
        from tfhash.studies import runner

        options: Any = study.options(**given(study.options, values, path))
        load_keras()
        if MEASURE not in stages:
            names = dict.fromkeys([study.name, *(values.also if "also" in values else ())])
            studies = [registry.study(name) for name in names]
            runner.train([spec for one in studies for spec in one.specs(options)], options)
        elif TRAIN not in stages:
            runner.measure(study, options)
        else:
            runner.run(study, options)

    return Command(title=title, define=define_flags, act=act)


def _of_module(title: str, name: str, needs_keras: bool = True) -> Command:
    """A command that hands the `OPTIONS` of a module of `tfhash.studies` to its `run`.

    The module is loaded when the command is: they need matplotlib, and `--help` does not.
    """

    def define_flags(values: flags.FlagValues, home: Path) -> None:
        options = import_module(name).OPTIONS
        define(options, values, home, lambda metadata: True, "load_path")

    def act(values: flags.FlagValues) -> None:
        module = import_module(name)
        asked = module.OPTIONS(**given(module.OPTIONS, values, "load_path"))
        if needs_keras:
            load_keras()
        module.run(asked)

    return Command(title=title, define=define_flags, act=act)


DRAW = _of_module(
    "draw every figure that the results at hand allow",
    "tfhash.studies.drawing",
    needs_keras=False,
)
DEMO = _of_module("the digits, trained, measured and drawn in two minutes", "tfhash.studies.demo")
TSNE = _of_module("draw a map of one network's codes", "tfhash.studies.tsne")

EXAMPLES = _of_module(
    "draw representations of single networks, and what transforms make of one",
    "tfhash.studies.representation_examples",
)


def _of_files(title: str, function: Callable[[str, str, Any], None], options: type) -> Command:
    """A command on a model's file and a data file."""

    def act(values: flags.FlagValues, model: str, data: str) -> None:
        asked = options(**given(options, values, ""))
        load_keras()
        function(model, data, asked)

    return Command(
        title=title,
        define=lambda values, home: define(options, values, home, lambda metadata: True, ""),
        act=act,
        arguments=("MODEL.keras", "DATA"),
    )


# What `tfhash` takes.
SUBCOMMANDS: dict[str, Command] = {
    "encode": _of_files(
        "write the codes of a model and inputs of your own: MODEL.keras DATA.npz",
        user_files.encode,
        user_files.EncodeOptions,
    ),
    "measure": _of_files(
        "measure the codes of a model and data of your own: MODEL.keras DATA.npz",
        user_files.measure,
        user_files.MeasureOptions,
    ),
    "audit": _of_files(
        "find duplicates, leakage and wrong labels in data of your own: MODEL.keras DATA.npz",
        audit_files.audit,
        audit_files.AuditOptions,
    ),
    "report": _of_files(
        "write a page on a model and data of your own: MODEL.keras DATA.npz",
        audit_files.report,
        audit_files.ReportOptions,
    ),
    **{
        f"run {name}": _of_study(one, f"train and measure: {one.title}", (TRAIN, MEASURE))
        for name, one in registry.STUDIES.items()
    },
    "run demo": DEMO,
    "run tsne": TSNE,
    "run representation_examples": EXAMPLES,
    "draw": DRAW,
}

# What the scripts in run_scripts/ take: training and measuring by two scripts, or by one.
_TWO_SCRIPTS = ("layer_width", "training_time", "sample_size", "layer_wise", "cnn")
COMMANDS: dict[str, Command] = {
    **{
        f"{name}{end}": _of_study(registry.study(name), registry.study(name).title, stages)
        for name in _TWO_SCRIPTS
        for end, stages in (("_train", (TRAIN,)), ("_encoding_properties", (MEASURE,)))
    },
    **{
        name: _of_study(one, one.title, (TRAIN, MEASURE))
        for name, one in registry.STUDIES.items()
        if name not in _TWO_SCRIPTS
    },
    "draw_figures": DRAW,
    "demo": DEMO,
    "tsne": TSNE,
}
