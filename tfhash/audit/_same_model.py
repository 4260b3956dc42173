"""Codes of two models are not to be compared: seen where both files say whose they are."""

from tfhash.codes import Codes


def model_of(codes: Codes) -> str | None:
    """The fingerprint of the model that made these codes; None where it is not known.

    It is known of codes memory-mapped from a file that an encoder wrote (`Codes.source`).
    """
    source = codes.source
    return None if source is None else source["model"]


def check_same_model(known: str | None, theirs: str | None, name: str, of: str) -> None:
    """Raise ValueError where both fingerprints are known and differ.

    Parameters
    ----------
    known, theirs : fingerprints, or None
    name : str
        What the caller calls the codes that `theirs` is the model of.
    of : str
        What `known` is the model of, for the error: "as fitted".
    """
    if known is not None and theirs is not None and known != theirs:
        raise ValueError(
            f"{name}: Expected codes of the model of fingerprint {known}, {of}. Received: codes of "
            f"the model of fingerprint {theirs}. Encode both with one model."
        )
