"""What a study is: which networks are trained, which of their epochs are kept, what is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

from tfhash.datasets import of_dataset
from tfhash.errors import InputError
from tfhash.runs import AnySpec
from tfhash.studies.options import MlpOptions, Options, RunOptions

# The values of one axis: by dataset (a dataset that is not listed has those of the one that it is
# like), or a function from the user's options to the values.
Values = Mapping[str, Sequence[Any]] | Callable[[Any], Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A measure in a study.

    Attributes
    ----------
    measure : str
        Its name in `MEASURES`.
    choice : str or None
        The name in --metrics that asks for it; None where it is always measured.
    at : str
        The checkpoints to measure, out of those up to --epoch: the "last" one, "every" one, or
        the first and the last ("ends").
    networks : str
        "all", or the "widest" of the first repeat alone.
    """

    measure: str
    choice: str | None = None
    at: Literal["last", "every", "ends"] = "last"
    networks: Literal["all", "widest"] = "all"

    def epochs(self, kept: Sequence[int]) -> list[int]:
        """The epochs to measure, out of the epochs `kept`, which are in order."""
        chosen = {"last": kept[-1:], "every": kept, "ends": (*kept[:1], *kept[-1:])}[self.at]
        return sorted(set(chosen))

    def specs(self, specs: Sequence[AnySpec]) -> Sequence[AnySpec]:
        """The networks to measure, out of `specs`."""
        if self.networks == "all":
            return specs
        return sorted(specs, key=lambda spec: -getattr(spec, "width", 0))[:1]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Networks of one kind: one for each repeat and each combination of values.

    Attributes
    ----------
    axes : mapping
        By field of the spec, its values; the last one varies fastest. Values by dataset give way
        to those that a user asks for. A value of an axis that is no single field is a mapping from
        fields to theirs.
    defaults, fixed : mapping
        Other fields of the spec, under and over what a user asks for. A callable is handed the
        options.
    kept : mapping or None
        By dataset, epochs whose weights are kept; None for the last one alone.
    length : str
        How long networks are trained where --epoch is not given: as the "recipe" says, or to the
        last epoch that is "kept"; "at_most_kept" stops there even where --epoch asks for more.
    measures : tuple of Measured
        What is measured.
    """

    axes: Mapping[str, Values] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, Sequence[int]] | None = None
    length: Literal["recipe", "kept", "at_most_kept"] = "recipe"
    measures: tuple[Measured, ...] = ()

    def specs(self, experiment: str, options: Options) -> list[AnySpec]:
        """The runs, a whole repeat before the next.

        Raises
        ------
        InputError
            An axis has no values for the dataset, or none of what is asked for.
        """
        axes = [[(name, v) for v in self._values(name, options)] for name in self.axes]
        for name, values in zip(self.axes, axes, strict=True):
            if not values:
                raise InputError(
                    f"Expected at least one {name} that {experiment} has networks of. Received: "
                    "none: what is asked for leaves none to train."
                )
        fixed = {k: v(options) if callable(v) else v for k, v in self.fixed.items()}
        if self.kept is not None:
            grid = values_of_dataset(self.kept, options.dataset, "epochs")
            epochs = self._length(grid, options)
            fixed["epochs"] = epochs
            fixed["checkpoint_epochs"] = tuple(epoch for epoch in grid if epoch <= epochs)
        return [
            options.spec(
                experiment, dict(self.defaults), **{**fixed, "repeat": repeat, **_fields(point)}
            )
            for repeat in options.repeats
            for point in product(*axes)
        ]

    def _values(self, name: str, options: Options) -> Sequence[Any]:
        values = self.axes[name]
        if callable(values):
            return values(options)
        asked = options.given_axes.get(name)
        return values_of_dataset(values, options.dataset, name) if asked is None else asked

    def _length(self, grid: Sequence[int], options: Options) -> int:
        if self.length == "recipe":
            return options.recipe.epochs if options.epoch is None else options.epoch
        if options.epoch is None:
            return grid[-1]
        return min(options.epoch, grid[-1]) if self.length == "at_most_kept" else options.epoch


@dataclass(frozen=True, kw_only=True)
class Study:
    """One factor that is studied.

    Attributes
    ----------
    name : str
        What it is called in `tfhash run NAME`.
    grids : tuple of Grid
        Its networks.
    experiment : str
        First part of its runs' directories; another study's where both share runs.
    options : type
        What a user may ask of it.
    encode_at_once : int or None
        Examples that are encoded at once by default; None for the encoder's own number.
    shows_values : bool
        Whether the numbers of each network are printed.
    without : tuple of str
        Fields of `options` that it takes no flags for: it decides them itself, or they would decide
        nothing.
    figures : tuple of str, or mapping
        Figures and tables that are drawn of it; where they differ, by dataset (others have those
        of the one that they are like).
    """

    name: str
    grids: tuple[Grid, ...]
    experiment: str = ""
    options: type[RunOptions] = MlpOptions
    encode_at_once: int | None = None
    shows_values: bool = False
    without: tuple[str, ...] = ()
    figures: tuple[str, ...] | Mapping[str, tuple[str, ...]] = ()

    @property
    def directory(self) -> str:
        """First part of its runs' directories."""
        return self.experiment or self.name

    def specs(self, options: Options) -> list[AnySpec]:
        """All of its runs, each once, whatever is asked for twice. Raises as `Grid.specs` does."""
        runs = (spec for grid in self.grids for spec in grid.specs(self.directory, options))
        return list(dict.fromkeys(runs))

    def figures_of(self, dataset: str) -> tuple[str, ...]:
        """Names of the figures and tables that are drawn of it for a dataset."""
        if isinstance(self.figures, Mapping):
            return of_dataset(self.figures, dataset) or ()
        return self.figures

    def has_axis(self, name: str) -> bool:
        """Whether it varies the field `name`; or, for "measures", has some to choose from."""
        if name == "measures":
            return any(one.choice for grid in self.grids for one in grid.measures)
        return any(name in grid.axes for grid in self.grids)


def recipe_widths(options: MlpOptions) -> Sequence[int]:
    """An axis: the widths that are asked for, or the recipe's."""
    return options.widths or options.recipe.widths


def _fields(point: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The fields that a combination of the axes' values sets."""
    fields: dict[str, Any] = {}
    for name, value in point:
        fields.update(value if isinstance(value, Mapping) else {name: value})
    return fields


def values_of_dataset(
    values: Mapping[str, Sequence[Any]], dataset: str, what: str
) -> Sequence[Any]:
    """The values for a dataset, or for the one that its record says it is like.

    Raises
    ------
    InputError
        There are none; `what` says of what.
    """
    found = of_dataset(values, dataset)
    if found is None:
        raise InputError(
            f"Expected a dataset among {', '.join(values)}, for which this study has {what}, or "
            f"one whose record says that it is like one of them. Received: {dataset!r}."
        )
    return found
