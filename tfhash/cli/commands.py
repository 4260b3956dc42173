"""The commands: which options each takes, and what it calls.

What a command needs is loaded when it is run: `tfhash --help` shows the titles alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from absl import flags

from tfhash.cli.flag_making import define, given
from tfhash.machine import load_keras
from tfhash.studies import TITLES, study
from tfhash.studies.option import MEASURE, TRAIN

# The choices of --also: studies whose networks one command can train beside its own study's.
ALSO = ("layer_width", "training_time", "layer_wise")
# Flags whose name differs from that of their field. The scripts that only measure have no training
# batch, and call the encoder's batch --batch_size; --encode_batch_size, as it is called everywhere
# else, is the same there.
TRAIN_NAMES = {"path": "save_path"}
MEASURE_NAMES = {"path": "load_path", "encode_batch_size": "batch_size"}


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


def _of_study(name: str, title: str, stages: Sequence[str], on_cluster: bool = False) -> Command:
    """Training the networks of a study, measuring them, or both; `on_cluster`: or on Ray."""
    names = TRAIN_NAMES if TRAIN in stages else MEASURE_NAMES

    def define_flags(values: flags.FlagValues, home: Path) -> None:
        asked = study(name)

        def wanted(field: str, metadata: Mapping[str, Any]) -> bool:
            axis = metadata["axis"]
            varied = axis in (None, "width") or asked.has_axis(axis)
            at_a_stage = bool(set(stages) & set(metadata["stages"]))
            return varied and at_a_stage and field not in asked.without

        define(asked.options, values, home, wanted, names)
        if names is MEASURE_NAMES:
            flags.DEFINE_alias("encode_batch_size", "batch_size", flag_values=values)
        if stages == (TRAIN,) and name != "cnn":
            flags.DEFINE_multi_enum(
                "also",
                [],
                list(ALSO),
                "Train the networks of another study too; one that both need is trained once.",
                flag_values=values,
            )
        if on_cluster:
            flags.DEFINE_string(
                "ray",
                None,
                "Do it on a Ray cluster: HOST:PORT of its head, or local for this machine. The "
                "folders of runs and data are shared by its nodes.",
                flag_values=values,
            )

    def act(values: flags.FlagValues) -> None:
        from tfhash.studies import runner

        asked = study(name)
        options: Any = asked.options(**given(asked.options, values, names))
        if on_cluster and values.ray is not None:
            from tfhash import distributed

            distributed.run(asked, options, values.ray)
            return
        load_keras()
        if MEASURE not in stages:
            trained = dict.fromkeys([name, *(values.also if "also" in values else ())])
            specs = [spec for one in trained for spec in study(one).specs(options)]
            runner.train(specs, options)
        elif TRAIN not in stages:
            runner.measure(asked, options)
        else:
            runner.run(asked, options)

    return Command(title=title, define=define_flags, act=act)


def _all(field: str, metadata: Mapping[str, Any]) -> bool:
    return True


def _of_module(title: str, name: str, needs_keras: bool = True) -> Command:
    """A command that hands the `OPTIONS` of a module of `tfhash.studies` to its `run`."""

    def define_flags(values: flags.FlagValues, home: Path) -> None:
        options = import_module(name).OPTIONS
        define(options, values, home, _all, {})

    def act(values: flags.FlagValues) -> None:
        module = import_module(name)
        asked = module.OPTIONS(**given(module.OPTIONS, values, {}))
        if needs_keras:
            load_keras()
        module.run(asked)

    return Command(title=title, define=define_flags, act=act)


DRAW = _of_module(
    "draw every figure that the results at hand allow",
    "tfhash.studies.drawing",
    needs_keras=False,
)
DEMO = _of_module("the digits, trained, measured and drawn in a minute", "tfhash.studies.demo")
TSNE = _of_module("draw a map of one network's codes", "tfhash.studies.tsne")

REGION_PICTURES = _of_module(
    "draw regions: a slice in three dimensions, a line through a residual network",
    "tfhash.studies.region_pictures",
)
EXAMPLES = _of_module(
    "draw representations of single networks, and what transforms make of one",
    "tfhash.studies.representation_examples",
)


def _of_files(title: str, module: str, function: str, options: str) -> Command:
    """A command on a model's file and a data file: a function and its options, by name."""

    def define_flags(values: flags.FlagValues, home: Path) -> None:
        taken = getattr(import_module(module), options)
        define(taken, values, home, _all, {})

    def act(values: flags.FlagValues, model: str, data: str) -> None:
        loaded = import_module(module)
        asked = getattr(loaded, options)(**given(getattr(loaded, options), values, {}))
        load_keras()
        getattr(loaded, function)(model, data, asked)

    return Command(title=title, define=define_flags, act=act, arguments=("MODEL.keras", "DATA"))


# What `tfhash` takes.
SUBCOMMANDS: dict[str, Command] = {
    "encode": _of_files(
        "write the codes of a model and inputs of your own: MODEL.keras DATA.npz",
        "tfhash.cli.user_files",
        "encode",
        "EncodeOptions",
    ),
    "measure": _of_files(
        "measure the codes of a model and data of your own: MODEL.keras DATA.npz",
        "tfhash.cli.user_files",
        "measure",
        "MeasureOptions",
    ),
    "audit": _of_files(
        "find duplicates, leakage and wrong labels in data of your own: MODEL.keras DATA.npz",
        "tfhash.cli.audit_files",
        "audit",
        "AuditOptions",
    ),
    "report": _of_files(
        "write a page on a model and data of your own: MODEL.keras DATA.npz",
        "tfhash.cli.audit_files",
        "report",
        "ReportOptions",
    ),
    **{
        f"run {name}": _of_study(
            name, f"train and measure: {title}", (TRAIN, MEASURE), on_cluster=True
        )
        for name, title in TITLES.items()
    },
    "run demo": DEMO,
    "run tsne": TSNE,
    "run representation_examples": EXAMPLES,
    "run region_pictures": REGION_PICTURES,
    "draw": DRAW,
}

# What the scripts in run_scripts/ take: training and measuring by two scripts, or by one. Studies
# without a script are run by `tfhash run` alone.
_TWO_SCRIPTS = ("layer_width", "training_time", "sample_size", "layer_wise", "cnn")
_ONE_SCRIPT = ("diameters", "region_density", "random_data")
COMMANDS: dict[str, Command] = {
    **{
        f"{name}{end}": _of_study(name, TITLES[name], stages)
        for name in _TWO_SCRIPTS
        for end, stages in (("_train", (TRAIN,)), ("_encoding_properties", (MEASURE,)))
    },
    **{name: _of_study(name, TITLES[name], (TRAIN, MEASURE)) for name in _ONE_SCRIPT},
    "draw_figures": DRAW,
    "demo": DEMO,
    "tsne": TSNE,
}
