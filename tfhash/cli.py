"""The command line: every flag of every script, in one place.

`main` runs one command. What a user can set right is printed as one line, without a traceback:
wrong flags and data end with status 2, a full disk and the like with 1, Ctrl-C with 130.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

# Before TensorFlow is loaded, or it has no effect.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import flags

from tfhash import cli_cnn
from tfhash.errors import InputError

Define = Callable[[flags.FlagValues, Path], None]
Action = Callable[[flags.FlagValues], None]
# Experiments whose networks can be trained along with those of another one.
ALSO = ["layer_width", "training_time", "layer_wise"]


def main(command: str, doc: str, argv: Sequence[str] | None = None) -> None:
    """Run one of the commands below with the flags in `argv`, and end the process.

    Parameters
    ----------
    command
        "layer_width_train", "layer_width_encoding_properties", likewise "sample_size_..." and
        "training_time_...", "diameters", "random_data", "region_density", "draw_figures" or
        "demo".
    doc
        What `--help` prints before the flags.
    argv
        Program name and flags; `sys.argv` if None.
    """
    sys.exit(run(command, doc, sys.argv if argv is None else argv))


def run(command: str, doc: str, argv: Sequence[str]) -> int:
    """Run a command as `main` does, and return its exit status."""
    values = flags.FlagValues()
    define, action = COMMANDS[command]
    define(values, _home(argv[0]))
    flags.DEFINE_bool("help", False, "Show this and stop.", short_name="h", flag_values=values)
    try:
        rest = values(list(argv))[1:]
        if values.help:
            print(f"{doc.strip()}\n\nFlags:\n{_describe(values)}")
            return 0
        if rest:
            raise InputError(f"Expected flags such as --name=value. Received: {' '.join(rest)}")
        action(values)
    except (InputError, flags.Error) as error:
        return _fail(argv[0], error, status=2)
    except OSError as error:
        return _fail(argv[0], error, status=1)
    except KeyboardInterrupt:
        # The bar may have left the cursor in its line.
        print("\nStopped. What is finished is kept: the same command goes on.", file=sys.stderr)
        return 130
    return 0


def _fail(program: str, error: Exception, status: int) -> int:
    print(f"{Path(program).name}: {' '.join(str(error).split())}", file=sys.stderr)
    return status


def _home(program: str) -> Path:
    """Where runs/ and figures/ are by default: the checkout the script is in, or this folder."""
    checkout = Path(program).resolve().parent.parent
    return checkout if (checkout / "run_scripts").is_dir() else Path.cwd()


def _describe(values: flags.FlagValues) -> str:
    shown = [values[name] for name in values if name == values[name].name]
    return "\n".join(
        f"  --{flag.name}: {flag.help}"
        + (
            ""
            if flag.default in (None, False)
            else f" Default: {flag.default_as_str.strip(chr(39))}"
        )
        for flag in shown
    )


def _define_places(values: flags.FlagValues, home: Path, name: str) -> None:
    flags.DEFINE_string(name, str(home / "runs"), "Folder of the runs.", flag_values=values)


def _define_figures(values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "figures_path",
        None,
        "Folder for figures and tables (figures/ in the folder of the runs).",
        flag_values=values,
    )


def _figures_path(values: flags.FlagValues, runs: str) -> Path:
    """Where figures go: beside the runs they show, unless another folder is named.

    The figures/ of a checkout are the project's own results: they are named to be drawn again.
    """
    return Path(values.figures_path or Path(runs) / "figures").expanduser()


def _define_sweep(values: flags.FlagValues) -> None:
    """What the training and the measuring of a sweep of MLPs have in common."""

    def integer(name: str, text: str, default: int | None = None, least: int = 1) -> None:
        flags.DEFINE_integer(name, default, text, lower_bound=least, flag_values=values)

    def string(name: str, text: str) -> None:
        flags.DEFINE_string(name, None, text, flag_values=values)

    flags.DEFINE_enum(
        "dataset", "mnist", ["digits", "mnist", "cifar10"], "The dataset.", flag_values=values
    )
    flags.DEFINE_enum(
        "protocol",
        None,
        ["paper", "released"],
        "How to train: as the paper says (the default), or as its released scripts do.",
        flag_values=values,
    )
    integer("depth", "Hidden layers (protocol: digits, mnist 1; cifar10 5).")
    flags.DEFINE_list(
        "widths", None, "Units per hidden layer, as 10,20,40 (protocol's).", flag_values=values
    )
    integer("begin_repeat", "Number of the first repeat.", default=1)
    integer("repeat", "Networks of each width, from different seeds (protocol's).")
    integer("batch_size", "Examples per step; for measuring, examples encoded at once.")
    integer("epoch", "Epochs (protocol's); for measuring, the checkpoint (the last).", least=0)
    integer("seed", "Base seed of the sweep.", default=0, least=0)
    string("data_dir", "Folder of mnist.npz and cifar-10-batches-py/ (else Keras's own).")
    string("mnist_path", "mnist.npz, or its folder.")
    string("cifar10_path", "cifar-10-batches-py/, or its folder.")


def _define_train(values: flags.FlagValues, home: Path) -> None:
    _define_sweep(values)
    _define_places(values, home, "save_path")
    flags.DEFINE_bool(
        "one_by_one",
        False,
        "Train with plain Keras fit, one network after another, not side by side.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "batch_norm",
        None,
        "Batch normalisation before each ReLU, or --nobatch_norm (protocol's).",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "group_size",
        None,
        "Most networks that are trained side by side (what fits in memory).",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_string(
        "tensorboard",
        None,
        "Folder for TensorBoard: loss and accuracy of each network, epoch by epoch.",
        flag_values=values,
    )


def _define_training_alone(values: flags.FlagValues, home: Path) -> None:
    """For scripts that train and leave the measuring to another."""
    _define_train(values, home)
    flags.DEFINE_multi_enum(
        "also",
        [],
        ALSO,
        "Train the networks of another experiment too; one that both need is trained once.",
        flag_values=values,
    )


def _define_properties(values: flags.FlagValues, home: Path) -> None:
    _define_sweep(values)
    _define_places(values, home, "load_path")
    flags.DEFINE_integer(
        "workers",
        1,
        "Networks that are measured at once, in processes of their own.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_list(
        "metrics",
        "redundancy,kmeans,knn,logistic",
        "What to measure, of these four.",
        flag_values=values,
    )


def _with_sample_sizes(define: Define) -> Define:
    """`define`, and the flag that the sample-size experiment has besides."""

    def defined(values: flags.FlagValues, home: Path) -> None:
        define(values, home)
        flags.DEFINE_list(
            "sample_sizes", None, "Training examples, as 10,100 (paper's).", flag_values=values
        )

    return defined


def _define_draw(values: flags.FlagValues, home: Path) -> None:
    _define_places(values, home, "load_path")
    _define_figures(values)


def _define_demo(values: flags.FlagValues, home: Path) -> None:
    _define_places(values, home, "save_path")
    _define_figures(values)


def _options(values: flags.FlagValues, path: str) -> dict[str, object]:
    """The keyword arguments of `experiments.Options` that the sweep flags stand for."""
    names = (
        *("dataset", "protocol", "depth", "begin_repeat", "repeat", "batch_size", "epoch", "seed"),
        *("data_dir", "mnist_path", "cifar10_path"),
    )
    given: dict[str, object] = {name: values[name].value for name in names}
    for name in ("widths", "sample_sizes"):
        if name in values and values[name].value is not None:
            given[name] = _whole_numbers(name, values[name].value)
    for name in ("one_by_one", "batch_norm", "group_size", "workers", "metrics"):
        if name in values:
            value = values[name].value
            given[name] = tuple(value) if isinstance(value, list) else value
    if "tensorboard" in values and values["tensorboard"].value is not None:
        given["tensorboard"] = Path(values["tensorboard"].value).expanduser()
    return {**given, "path": Path(path).expanduser()}


def _whole_numbers(name: str, values: list[str]) -> tuple[int, ...]:
    try:
        return tuple(int(value) for value in values)
    except ValueError:
        raise InputError(
            f"Expected whole numbers, as --{name} 10,20,40. Received: {','.join(values)}."
        ) from None


def _train(experiment: str) -> Action:
    def action(values: flags.FlagValues) -> None:
        from tfhash.experiments import Options, stages
        from tfhash.experiments.loading import load_keras

        options = Options(**_options(values, values.save_path))  # type: ignore[arg-type]
        load_keras()
        names = dict.fromkeys([experiment, *values.also])
        modules = [import_module(f"tfhash.experiments.{name}") for name in names]
        stages.train([spec for module in modules for spec in module.specs(options)], options)

    return action


def _run(experiment: str) -> Action:
    """Training and measuring in one command."""

    def action(values: flags.FlagValues) -> None:
        from tfhash.experiments import Options
        from tfhash.experiments.loading import load_keras

        options = Options(**_options(values, values.save_path))  # type: ignore[arg-type]
        load_keras()
        import_module(f"tfhash.experiments.{experiment}").run(options)

    return action


def _encoding_properties(experiment: str) -> Action:
    def action(values: flags.FlagValues) -> None:
        from tfhash.experiments import Options
        from tfhash.experiments.loading import load_keras

        options = Options(**_options(values, values.load_path))  # type: ignore[arg-type]
        load_keras()
        import_module(f"tfhash.experiments.{experiment}").encoding_properties(options)

    return action


def _draw_figures(values: flags.FlagValues) -> None:
    from tfhash.experiments import drawing

    runs = values.load_path
    drawing.draw(Path(runs).expanduser(), _figures_path(values, runs))


def _demo(values: flags.FlagValues) -> None:
    from tfhash.experiments import demo
    from tfhash.experiments.loading import load_keras

    load_keras()

    runs = values.save_path
    demo.run(Path(runs).expanduser(), _figures_path(values, runs))


COMMANDS: dict[str, tuple[Define, Action]] = {
    "layer_width_train": (_define_training_alone, _train("layer_width")),
    "layer_width_encoding_properties": (
        _define_properties,
        _encoding_properties("layer_width"),
    ),
    "sample_size_train": (_with_sample_sizes(_define_training_alone), _train("sample_size")),
    "sample_size_encoding_properties": (
        _with_sample_sizes(_define_properties),
        _encoding_properties("sample_size"),
    ),
    "training_time_train": (_define_training_alone, _train("training_time")),
    "training_time_encoding_properties": (
        _define_properties,
        _encoding_properties("training_time"),
    ),
    "layer_wise_train": (_define_training_alone, _train("layer_wise")),
    "layer_wise_encoding_properties": (_define_properties, _encoding_properties("layer_wise")),
    "diameters": (_define_train, _run("diameters")),
    "random_data": (_define_train, _run("random_data")),
    "region_density": (_define_train, _run("region_density")),
    "draw_figures": (_define_draw, _draw_figures),
    "demo": (_define_demo, _demo),
    **cli_cnn.COMMANDS,
}
