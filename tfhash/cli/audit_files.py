"""`tfhash audit` and `tfhash report`: a saved model, and data of the user's own, looked over."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.cli.user_files import (
    INPUTS,
    UnitOptions,
    checked,
    labels_of,
    load_arrays,
    load_model_file,
    missing_labels,
    table,
    training_inputs,
)
from tfhash.errors import InputError
from tfhash.files import replacing, write_text
from tfhash.metrics._inputs import check_labels
from tfhash.png import png
from tfhash.studies.option import option

if TYPE_CHECKING:
    from tfhash.codes import Codes

SHEET_ROWS, SHEET_COLUMNS = 20, 12


@dataclass(frozen=True, kw_only=True)
class AuditOptions(UnitOptions):
    """What `tfhash audit` takes."""

    out: Path | None = option(None, "Folder for the tables and contact sheets (DATA_audit).")
    radius: int | None = option(
        None, "Bits in which near-duplicates may differ (1 in 100, at least 1).", least=0
    )
    k: int = option(10, "Neighbors that vote on a label.", least=1)
    batch_size: int | None = option(None, "Examples encoded at once.", least=1)


@dataclass(frozen=True, kw_only=True)
class ReportOptions(UnitOptions):
    """What `tfhash report` takes."""

    out: Path | None = option(None, "The HTML file (DATA_report.html).")
    against: Path | None = option(None, "An earlier checkpoint of the model to compare with.")
    radius: int | None = option(
        None, "Bits in which near-duplicates may differ (1 in 100, at least 1).", least=0
    )


def report(model_path: str, data_path: str, options: ReportOptions) -> None:
    """Write the page on a model and a file's examples."""
    import tfhash

    data = Path(data_path).expanduser()
    model = load_model_file(Path(model_path).expanduser())
    encoder = options.encoder(model)
    against = None if options.against is None else load_model_file(options.against)
    earlier = None if against is None else options.encoder(against)
    train, test = _sets(load_arrays(data, model))
    out = options.out or data.with_name(f"{data.stem}_report.html")
    path = checked(lambda: tfhash.report(encoder, train, test, out, earlier, options.radius))
    print(f"Wrote {path}.", flush=True)


def audit(model_path: str, data_path: str, options: AuditOptions) -> None:
    """Print what codes tell of a file's examples, and write tables and contact sheets."""
    from tfhash.audit.duplicates import usual_radius
    from tfhash.audit.sheets import are_images

    data = Path(data_path).expanduser()
    model = load_model_file(Path(model_path).expanduser())
    arrays = load_arrays(data, model)
    (x, y), test = _sets(arrays)
    out = options.out or data.with_name(f"{data.stem}_audit")
    _check(data, x, y, options.k, out)
    encoder = options.encoder(model)
    codes = checked(lambda: encoder.encode(x, options.batch_size))
    test_codes = (
        None if test is None else checked(lambda: encoder.encode(test[0], options.batch_size))
    )
    out.mkdir(parents=True, exist_ok=True)
    radius = usual_radius(codes) if options.radius is None else options.radius
    rows = [("examples", f"{len(codes):,}", f"codes of {codes.n_bits:,} bits")]
    written: list[str] = []
    rows.append(_duplicates(codes, x, radius, out, written))
    if test is not None and test_codes is not None:
        rows.append(_leakage(codes, test_codes, x, test[0], radius, out, written))
    if y is not None and len(codes) > 1:
        rows.append(_labels(codes, x, y, options.k, out, written))
    rows += _coverage(codes, test_codes, out, written)
    print(table(rows))
    if y is None:
        print(f"\nNo labels in the file ({missing_labels(arrays)}): nothing is said of them.")
    elif len(codes) == 1:
        print("\nOne example has no neighbors: nothing is said of its label.")
    if not any(name.endswith(".png") for name in written) and not are_images(x):
        print("\nThe inputs are no images: there are no contact sheets.")
    print(f"\nIn {out}: {', '.join(written)}.", flush=True)


def _check(data: Path, x: Any, y: Any, k: int, out: Path) -> None:
    """Raise InputError, before anything is encoded or written, for what will be of no use."""
    if len(x) == 0:
        raise InputError(f"Expected at least one example in {data}. Received: none.")
    if y is not None:
        checked(lambda: check_labels(y, len(x)))
        if 1 < len(x) <= k:
            raise InputError(
                f"--k: Expected fewer neighbors than there are examples in the file, {len(x)}. "
                f"Received: {k}."
            )
    if out.exists() and not out.is_dir():
        raise InputError(f"--out: Expected a folder. Received: a file, {out}.")


def _duplicates(
    codes: Codes, x: Any, radius: int, out: Path, written: list[str]
) -> tuple[str, str, str]:
    from tfhash import audit

    pairs = checked(lambda: audit.near_duplicates(codes, radius))
    groups = audit.duplicate_groups(codes, pairs)
    of_group = [
        (i, int(row), int(row) == group.medoid)
        for i, group in enumerate(groups)
        for row in group.rows
    ]
    _write_csv(out / "duplicates.csv", ("row", "other", "distance"), pairs.tolist(), written)
    _write_csv(out / "duplicate_groups.csv", ("group", "row", "is_medoid"), of_group, written)
    sheet = [[int(row) for row in group.rows[:SHEET_COLUMNS]] for group in groups[:SHEET_ROWS]]
    _write_sheet(out / "duplicates.png", [[(x, row) for row in line] for line in sheet], written)
    inside = sum(len(group.rows) for group in groups)
    return (
        "near-duplicates",
        f"{inside:,}",
        f"examples in {len(groups):,} groups, {len(pairs):,} pairs within {_bits(radius)}",
    )


def _leakage(
    codes: Codes, test: Codes, x: Any, x_test: Any, radius: int, out: Path, written: list[str]
) -> tuple[str, str, str]:
    from tfhash import audit

    leaks = checked(lambda: audit.leakage(codes, test, radius))
    _write_csv(out / "leakage.csv", ("test_row", "row", "distance"), leaks.tolist(), written)
    _, first = np.unique(leaks[:, 0], return_index=True)
    nearest = leaks[first]
    closest = nearest[np.argsort(nearest[:, 2], kind="stable")][:SHEET_ROWS]
    _write_sheet(
        out / "leakage.png", [[(x_test, int(t)), (x, int(r))] for t, r, _ in closest], written
    )
    share = len(first) / max(1, len(test))
    within = f"test examples ({share:.1%}) within {_bits(radius)} of one"
    return "leakage", f"{len(first):,}", within


def _labels(
    codes: Codes, x: Any, y: Any, k: int, out: Path, written: list[str]
) -> tuple[str, str, str]:
    from tfhash import audit

    found = checked(lambda: audit.label_errors(codes, y, k))
    labels = np.asarray(y).reshape(-1)
    rows = [
        (int(row), labels[row], found.suggested[row], f"{found.score[row]:.6f}")
        for row in found.ranks
    ]
    _write_csv(out / "labels.csv", ("row", "label", "suggested", "score"), rows, written)
    suspects = [int(row) for row in found.ranks if found.score[row] < 0]
    shown = suspects[: SHEET_ROWS * SHEET_COLUMNS]
    lines = [shown[i : i + SHEET_COLUMNS] for i in range(0, len(shown), SHEET_COLUMNS)]
    _write_sheet(out / "labels.png", [[(x, row) for row in line] for line in lines], written)
    return (
        "suspected labels",
        f"{len(suspects):,}",
        f"examples whose {k} neighbors vote for another",
    )


def _coverage(
    codes: Codes, test: Codes | None, out: Path, written: list[str]
) -> list[tuple[str, str, str]]:
    from tfhash import audit

    rows = []
    lines: list[tuple[str, str, float, float | str]] = []
    for name, part in (("training", codes), ("test", test)):
        if part is None:
            continue
        result = audit.coverage(part).result()
        rows.append(
            (f"coverage, {name}", f"{result.neurons:.4f}", "share of units that were ever on")
        )
        lines.append((name, "all", result.neurons, result.both))
        lines += [(name, layer, share, "") for layer, share in result.layers.items()]
    header = ("set", "layer", "ever_on", "on_and_off")
    _write_csv(out / "coverage.csv", header, lines, written)
    return rows


def _bits(n: int) -> str:
    return f"{n} bit{'' if n == 1 else 's'}"


def _sets(arrays: Any) -> tuple[tuple[Any, Any], tuple[Any, Any] | None]:
    """Training inputs and labels, and those for testing; labels None where there are none."""
    name = training_inputs(arrays)
    if name is not None and "x_test" in arrays:
        test = arrays["x_test"], labels_of(arrays, "x_test")
        return (arrays[name], labels_of(arrays, name)), test
    name = name or next((one for one in INPUTS if one in arrays), None)
    if name is None:
        raise InputError(
            "Expected an array x_train (with x_test, if there is one) or x, and labels y_train or "
            f"y. Received: {', '.join(arrays) or 'none'}."
        )
    return (arrays[name], labels_of(arrays, name)), None


def _write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], written: list[str]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
    written.append(path.name)


def _write_sheet(
    path: Path, lines: Sequence[Sequence[tuple[Any, int]]], written: list[str]
) -> None:
    """A contact sheet of rows of arrays; none where there is nothing to show, or no images."""
    from tfhash.audit import sheets

    cells = [cell for line in lines for cell in line]
    if not cells or not sheets.are_images(cells[0][0]):
        return
    images = iter(sheets.as_images(cells))
    pictures = [[next(images) for _ in line] for line in lines]
    with replacing(path) as file:
        file.write(png(sheets.contact_sheet(pictures)))
    written.append(path.name)
