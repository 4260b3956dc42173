"""The two pictures of regions: what their tables hold, and that they are drawn from them."""

import numpy as np
import pandas as pd
import pytest

from tfhash import cli, figures


@pytest.mark.full
def test_region_pictures_of_small_networks(tmp_path):
    program = ["tfhash", "run", "region_pictures", "--dataset=digits", "--width=5"]
    program += ["--epochs=1", "--examples=300", f"--figures_path={tmp_path}"]
    assert cli.tfhash(program) == 0
    cells = pd.read_csv(tmp_path / "region_slice_digits.csv")
    assert set(cells["kind"]) == {"cells", "boundary"}
    assert (cells.groupby(["kind", "polygon"]).size() >= 3).all()
    assert cells[["a", "b", "c"]].min().min() == -0.25 and cells["c"].max() == 1.25
    switches = pd.read_csv(tmp_path / "region_layers_digits.csv")
    assert switches["t"].between(0, 1).all() and switches["name"].nunique() == 7
    logits = pd.read_csv(tmp_path / "region_layers_digits_logits.csv")
    assert logits.shape[1] == 11 and logits["t"].iloc[[0, -1]].tolist() == [0, 1]
    for name in ("region_slice_digits", "region_layers_digits"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_strips_are_cut_at_the_switches_of_each_layer():
    switches = pd.DataFrame(
        {"t": [0.25, 0.5, 0.51, 0.75], "layer": [0, 1, 1, 0], "name": ["a", "b", "b", "a"]}
    )
    logits = pd.DataFrame({"t": [0.0, 1.0], "0": [1.0, 0.0], "1": [0.0, 1.0]})
    image = np.zeros((4, 4))
    figure = figures.line_by_layer(
        switches, logits, (image, image), figures.Caption("", "", "", "")
    )
    (strips,) = [axes for axes in figure.axes if axes.get_title("left").startswith("t from 0 to 1")]
    assert [np.size(mesh.get_array()) for mesh in strips.collections] == [3, 5]
    (right,) = strips.child_axes
    assert [text.get_text() for text in right.get_yticklabels()] == ["3", "5"]
