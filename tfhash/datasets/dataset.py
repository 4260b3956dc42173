"""What every other stage is handed: images and labels, train and test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from tfhash.errors import InputError


class DatasetError(InputError):
    """A dataset that is unknown, missing, or not what was published under its name."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels, train and test. The arrays are read-only.

    Attributes
    ----------
    name : str
        Name of the dataset, lower case.
    x_train, x_test : numpy.ndarray
        float32 [n, height, width] or [n, height, width, channels], pixels in [0, 1].
    y_train, y_test : numpy.ndarray
        int64 [n], labels 0 to n_classes - 1.
    n_classes : int
        Number of classes.

    Raises
    ------
    DatasetError
        Arrays of another type, shape or range, or labels of another length than the images.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    n_classes: int

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            x, y = getattr(self, f"x_{split}"), getattr(self, f"y_{split}")
            _check(f"{self.name} ({split})", x, y, self.n_classes)
            # Views, so that an array handed in stays as writable as its owner made it.
            for key, array in ((f"x_{split}", x.view()), (f"y_{split}", y.view())):
                array.flags.writeable = False
                object.__setattr__(self, key, array)
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise DatasetError(
                f"Expected {self.name}'s training and test images to have one shape. "
                f"Received: {self.x_train.shape[1:]} and {self.x_test.shape[1:]}."
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.x_train.shape[1:]

    def hold_out(self, fraction: float) -> Dataset:
        """This dataset without the last `fraction` of its training examples.

        Raises
        ------
        DatasetError
            The fraction is not in [0, 1), or no example is left.
        """
        keep = n_kept(len(self.x_train), fraction)
        return replace(self, x_train=self.x_train[:keep], y_train=self.y_train[:keep])

    def held_out(self, fraction: float) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of the training examples that `hold_out` leaves out, maybe none.

        Raises as `hold_out` does.
        """
        keep = n_kept(len(self.x_train), fraction)
        return self.x_train[keep:], self.y_train[keep:]

    def subset(self, n: int, seed: int | list[int]) -> Dataset:
        """This dataset with `n` of its training examples, drawn at random without replacement.

        Raises
        ------
        DatasetError
            `n` is below 1 or above the number of training examples.
        """
        return self.take(self.sample(n, seed))

    def take(self, rows: np.ndarray) -> Dataset:
        """This dataset with these of its training examples, int64 [n]."""
        if np.array_equal(rows, np.arange(len(rows))):
            first = slice(len(rows))  # as they are: nothing is copied
            return replace(self, x_train=self.x_train[first], y_train=self.y_train[first])
        return replace(self, x_train=self.x_train[rows], y_train=self.y_train[rows])

    def sample(self, n: int, seed: int | list[int]) -> np.ndarray:
        """The rows, int64 [n], of a random sample of the training examples, as `subset` draws it.

        Raises DatasetError where `n` is not from 1 to the number of training examples.
        """
        if not 1 <= n <= len(self.x_train):
            raise DatasetError(
                f"Expected a sample size from 1 to {len(self.x_train)}, the training examples of "
                f"{self.name}. Received: {n}."
            )
        return np.random.default_rng(seed).permutation(len(self.x_train))[:n]

    def uniform(self, seed: int | list[int]) -> Dataset:
        """This dataset with every pixel drawn from U(0, 1), and the labels it has."""
        rng = np.random.default_rng(seed)
        train, test = (rng.random(x.shape, np.float32) for x in (self.x_train, self.x_test))
        return replace(self, x_train=train, x_test=test)

    def with_factors(self, n: int) -> Dataset:
        """This dataset with `n` factors in its inputs: its first `n` principal components.

        The components are those of the training inputs. What is left of the inputs is brought back
        into [0, 1] by one affine map, which leaves their rank what it is. The last result is kept:
        whoever asks for it again gets the same object.

        Raises
        ------
        DatasetError
            `n` is below 1 or above the number of values in one input.
        """
        return self._last_made(("factors", n), partial(self._made_with_factors, n))

    def with_classes(self, n: int) -> Dataset:
        """The examples of the first `n` classes. The last result is kept, as by `with_factors`.

        Raises
        ------
        DatasetError
            `n` is below 2 or above the number of classes, or no example is of these.
        """
        if not 2 <= n <= self.n_classes:
            raise DatasetError(
                f"Expected from 2 to {self.n_classes} classes of {self.name}. Received: {n}."
            )
        return self._last_made(("classes", n), partial(self._made_with_classes, n))

    def _made_with_classes(self, n: int) -> Dataset:
        train, test = self.y_train < n, self.y_test < n
        return replace(
            self,
            x_train=self.x_train[train],
            y_train=self.y_train[train],
            x_test=self.x_test[test],
            y_test=self.y_test[test],
            n_classes=n,
        )

    def _last_made(self, key: tuple[str, int], make: Callable[[], Dataset]) -> Dataset:
        if key not in self._made:
            self._made.clear()
            self._made[key] = make()
        return self._made[key]

    @cached_property
    def _made(self) -> dict[tuple[str, int], Dataset]:
        return {}

    def _made_with_factors(self, n: int) -> Dataset:
        rows = self.x_train.reshape(len(self.x_train), -1)
        if not 1 <= n <= rows.shape[1]:
            raise DatasetError(
                f"Expected from 1 to {rows.shape[1]} factors, the values in one input of "
                f"{self.name}. Received: {n}."
            )
        mean = rows.mean(axis=0, dtype=np.float64)
        second_moments = rows.T @ rows / np.float32(len(rows))
        _, vectors = np.linalg.eigh(second_moments - np.outer(mean, mean))  # ascending
        top, mean = vectors[:, : -n - 1 : -1].astype(np.float32), mean.astype(np.float32)
        train, test = in_unit_range(
            *(
                (x.reshape(len(x), -1) - mean) @ top @ top.T + mean
                for x in (self.x_train, self.x_test)
            )
        )
        return replace(
            self, x_train=train.reshape(self.x_train.shape), x_test=test.reshape(self.x_test.shape)
        )

    def draw(self, n: int, seed: int | list[int]) -> Dataset:
        """`n` of the training and `n` of the test examples, or all where there are fewer."""
        drawn = self.subset(min(n, len(self.x_train)), seed)
        rows = np.random.default_rng(seed).permutation(len(self.x_test))[:n]
        return replace(drawn, x_test=self.x_test[rows], y_test=self.y_test[rows])


def n_kept(n: int, fraction: float) -> int:
    """How many of `n` training examples are left where the last `fraction` is held out.

    Raises
    ------
    DatasetError
        The fraction is not in [0, 1), or no example is left.
    """
    kept = n - round(n * fraction) if 0 <= fraction < 1 else 0
    if kept < 1:
        raise DatasetError(
            "Expected a share of the training examples in [0, 1) to hold out, that leaves at least "
            f"one. Received: {fraction} of {n}."
        )
    return kept


def in_unit_range(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, mapped alike so that all values, of the two together, reach from 0 to 1."""
    low = min(train.min(), test.min())
    width = max(train.max(), test.max()) - low or np.float32(1)
    # Rounding may leave the ends by a unit in the last place.
    return np.clip((train - low) / width, 0, 1), np.clip((test - low) / width, 0, 1)


def from_pixels(
    name: str,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    n_classes: int,
    white: float = 255.0,
) -> Dataset:
    """A `Dataset` from whole-number pixels (0 to `white`) and labels of any integer type."""
    (x_train, y_train), (x_test, y_test) = train, test
    return Dataset(
        name=name,
        x_train=x_train.astype(np.float32) / np.float32(white),
        y_train=y_train.astype(np.int64),
        x_test=x_test.astype(np.float32) / np.float32(white),
        y_test=y_test.astype(np.int64),
        n_classes=n_classes,
    )


def _check(what: str, x: np.ndarray, y: np.ndarray, n_classes: int) -> None:
    if x.dtype != np.float32 or x.ndim not in (3, 4) or len(x) == 0:
        raise DatasetError(
            f"Expected images of {what} as float32 [n, height, width] or "
            f"[n, height, width, channels], n > 0. Received: {x.dtype} {list(x.shape)}."
        )
    if not (x.min() >= 0 and x.max() <= 1):
        raise DatasetError(
            f"Expected pixels of {what} in [0, 1]. Received: {x.min()} to {x.max()}."
        )
    if y.dtype != np.int64 or y.shape != (len(x),):
        raise DatasetError(
            f"Expected labels of {what} as int64 [{len(x)}]. Received: {y.dtype} {list(y.shape)}."
        )
    if y.min() < 0 or y.max() >= n_classes:
        raise DatasetError(
            f"Expected labels of {what} from 0 to {n_classes - 1}. "
            f"Received: {y.min()} to {y.max()}."
        )
