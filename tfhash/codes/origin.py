"""Codes of two models are not to be compared: seen by bits, layers and the model's fingerprint."""

from typing import NamedTuple

from tfhash.codes.codes import Codes
from tfhash.codes.layers import LayerSpan, short_list


class Origin(NamedTuple):
    """What codes must have in common to be compared.

    Attributes
    ----------
    n_bits : int
    layers : tuple of LayerSpan
        Empty where they are not known.
    model : str or None
        The fingerprint of the model that made the codes, where it is known (`Codes.source`).
    """

    n_bits: int
    layers: tuple[LayerSpan, ...]
    model: str | None

    @classmethod
    def of(cls, codes: Codes) -> "Origin":
        source = codes.source
        return cls(codes.n_bits, codes.layers, None if source is None else source["model"])

    def check(self, other: "Origin", name: str, of: str) -> None:
        """Raise ValueError where `other` has other bits, or layers or a model known to be others.

        Parameters
        ----------
        other : Origin
        name : str
            What the caller calls the codes of `other`.
        of : str
            What this is the origin of, for the error: "as fitted".
        """
        if other.n_bits != self.n_bits:
            raise ValueError(
                f"{name}: Expected codes of {self.n_bits} bits, {of}. "
                f"Received: {other.n_bits} bits."
            )
        if self.layers and other.layers and self.layers != other.layers:
            raise ValueError(
                f"{name}: Expected codes of the layers {_shown(self.layers)}, {of}. "
                f"Received: {_shown(other.layers)}. Encode both with one model."
            )
        if self.model is not None and other.model is not None and self.model != other.model:
            raise ValueError(
                f"{name}: Expected codes of the model of fingerprint {self.model}, {of}. Received: "
                f"codes of the model of fingerprint {other.model}. Encode both with one model."
            )


def _shown(layers: tuple[LayerSpan, ...]) -> str:
    return short_list(f"{layer.name} ({layer.stop - layer.start} bits)" for layer in layers)
