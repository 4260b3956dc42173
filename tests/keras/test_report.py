"""The page that `tfhash.report` writes: whole, self-contained, and saying what was measured."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import keras
import numpy as np
import pytest

import tfhash
from tfhash import Encoder, metrics
from tfhash.phases.chart import REGIME_TITLES

VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """The elements of a page, which must be closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def images(n, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    centers = np.random.default_rng(1).uniform(0, 1, (3, 6, 6))
    return np.clip(centers[y] + rng.normal(0, 0.2, (n, 6, 6)), 0, 1).astype(np.float32), y


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(96, "relu", name="hidden>1")]
    return keras.Sequential([keras.Input((6, 6)), *layers, keras.layers.Dense(3)], name="net")


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    x, y = images(90)
    x[5], y[6] = x[2], (y[6] + 1) % 3
    path = tmp_path_factory.mktemp("report") / "page.html"
    test = images(30, 2)
    assert tfhash.report(model, (x, y), test, path, against=model) == path
    return path, x, y, test


def test_page_is_whole_and_self_contained(written):
    path, *_ = written
    text = path.read_text()
    page = Page(text)
    assert not re.search(r"https?://|//[a-z]|<script|@import|url\(", text)
    for tag, attributes in page.elements:
        if tag == "img":
            source = attributes["src"] or ""
            assert attributes["alt"] and source.startswith("data:image/png;base64,")
        if tag == "svg":
            assert attributes["role"] == "img" and attributes["aria-label"]
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text
    assert "hidden&gt;1" in text and "hidden>1" not in text


def test_page_says_what_metrics_measure(written, model):
    path, x, y, (x_test, y_test) = written
    text = path.read_text()
    train, test = Encoder(model).encode(x), Encoder(model).encode(x_test)
    properties = metrics.encoding_properties(train, y, test, y_test)
    assert f"{properties.train_redundancy_ratio:.4f}" in text
    assert f"{properties.knn_accuracy:.4f}" in text
    assert f"<dd>{metrics.count_regions(train)}</dd>" in text
    bits = train.to_bits()
    assert f"<dt>Dead units</dt><dd>{(~bits.astype(bool).any(axis=0)).sum()}</dd>" in text
    assert "rows 2 and 5, 0 bits" in text and 'alt="Training example 2"' in text
    assert "row 6: " in text  # whose label was changed
    assert "0.0 % of the bits" in text  # against itself


@pytest.mark.full
def test_inputs_without_labels_that_are_no_images(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu")])
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    text = tfhash.report(model, x, path=tmp_path / "page.html").read_text()
    assert "The inputs are no images" in text and "No labels were given beside the inputs" in text
    assert "<img" not in text and Page(text)


def test_what_cannot_be_written_or_measured_is_refused(model, tmp_path):
    x, y = images(20)
    with pytest.raises(FileNotFoundError):
        tfhash.report(model, x, path=tmp_path / "none" / "page.html")
    with pytest.raises(IsADirectoryError):
        tfhash.report(model, x, path=tmp_path)
    with pytest.raises(ValueError, match="labels of train: Expected 20 labels"):
        tfhash.report(model, (x, y[:-1]), path=tmp_path / "page.html")
    with pytest.raises(ValueError, match=r"labels of train: Expected labels of classes.*0\.5"):
        tfhash.report(model, (x, np.arange(20) / 2 + 0.5), path=tmp_path / "page.html")
    with pytest.raises(ValueError, match="a pair"):
        tfhash.report(model, (x, y, y), path=tmp_path / "page.html")
    with pytest.raises(ValueError, match="labels of test: Expected 20 labels"):
        tfhash.report(model, (x, y), (x, y[:-1]), tmp_path / "page.html")
    with pytest.raises(ValueError, match="train: Expected at least one code"):
        tfhash.report(model, x[:0], path=tmp_path / "page.html")
    for radius in (-1, 1.5, "all"):
        with pytest.raises(ValueError, match="radius"):
            tfhash.report(model, x, path=tmp_path / "page.html", radius=radius)
    assert not list(tmp_path.iterdir())


def test_few_examples_and_one_class_are_noted(model, tmp_path):
    x, y = images(20)
    path = tmp_path / "page.html"
    text = tfhash.report(model, (x[:5], y[:5]), (x, y), path, against=model).read_text()
    assert "a vote of 9 training examples, and there are 5." in text and "nearest codes" in text
    text = tfhash.report(model, (x, y * 0), (x, y * 0), path).read_text()
    assert "all training examples are of one class" in text and "K-NN accuracy" in text


def test_inputs_may_be_tensors_lists_and_batches(model, tmp_path):
    """All are measured alike; pictures are shown of one array or tensor of images."""
    x, y = images(20)
    path = tmp_path / "page.html"
    tensors = keras.ops.convert_to_tensor(x), y
    text = tfhash.report(model, tensors, path=path, radius=96).read_text()
    assert "<img" in text
    batches = ((x[i : i + 5], y[i : i + 5]) for i in range(0, 20, 5))
    text = tfhash.report(model, batches, path=path).read_text()
    assert "no single array of images" in text and "those in batches are not read" in text
    inputs = [keras.Input((6, 3)), keras.Input((6, 3))]
    joined = keras.layers.Concatenate()(inputs)
    two = keras.Model(inputs, keras.layers.ReLU()(joined))
    text = tfhash.report(two, ([x[:, :, :3], x[:, :, 3:]], y), path=path).read_text()
    assert "no single array of images" in text and "<img" not in text
    with pytest.raises(ValueError, match=r"gone through twice.*generator"):
        tfhash.report(model, (row for row in [x]), path=path, against=model)


@pytest.mark.full
@pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("google-chrome")), reason="no Chromium here"
)
@pytest.mark.parametrize("dark", [False, True])
def test_page_in_a_browser(written, tmp_path, dark):
    image_file = pytest.importorskip("PIL.Image")
    path, *_ = written
    picture = tmp_path / "page.png"
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=400,2400"]
    command += ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    command += [f"--screenshot={picture}", f"file://{path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert picture.read_bytes().startswith(b"\x89PNG"), done.stderr
    assert "CONSOLE" not in done.stderr
    corner = image_file.open(picture).convert("RGB").getpixel((0, 0))
    assert corner == ((0x15, 0x19, 0x1D) if dark else (255, 255, 255))


def test_bits_of_other_layers_are_not_compared(model, tmp_path):
    x, _ = images(20)
    layers = [keras.layers.Dense(48, "relu"), keras.layers.Dense(48, "relu")]
    earlier = keras.Sequential([keras.Input((6, 6)), keras.layers.Flatten(), *layers])
    text = tfhash.report(model, x, path=tmp_path / "page.html", against=earlier).read_text()
    assert "which units changed cannot be told" in text and "have flipped" not in text


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("tfhash.reporting")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ModuleNotFoundError, match=r"tfhash\[report\]"):
        tfhash.report  # noqa: B018


@pytest.mark.full
def test_the_regime_is_that_of_the_diagnosis(tmp_path):
    """Also where labels are a column, as CIFAR-10's are."""
    data = tfhash.datasets.load("digits")
    x, y = data.x_train[:300], data.y_train[:300]
    network = tfhash.models.mlp(data.input_shape, 20, 1, 10, seed=1)
    regime = tfhash.diagnose(network, (x, y), (data.x_test, data.y_test)).regime
    assert regime is not None
    path = tfhash.report(network, (x, y[:, None]), (data.x_test, data.y_test), tmp_path / "a.html")
    assert f"<strong>Regime:</strong> {REGIME_TITLES[regime]}</p>" in path.read_text()
