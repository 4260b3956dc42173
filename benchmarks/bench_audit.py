"""What an audit finds on real data: wrong labels, planted duplicates, inputs of another kind.

python -m benchmarks.bench_audit --data_dir FOLDER [--votes mnist_test_label_votes.json]
    [--networks 3] [--resnet resnet20.keras]
    [--only labels planted monitor latency duplicates]

Some minutes on two processors. MLPs of two layers of 256 units are trained on MNIST for 3 epochs,
one of two layers of 512 units on CIFAR-10 for 3. Prints tables of Markdown. The votes are those of
Northcutt et al., "Pervasive Label Errors in Test Sets" (github.com/cleanlab/label-errors): an error
counts as validated where fewer than three of five people voted for the given label. Peers: cleanlab
for labels; scores of the same network for inputs of another kind; perceptual hashes of imagehash
for duplicates.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from tfhash import Codes, Encoder, audit, datasets, metrics, models
from tfhash.datasets import Dataset

SPLITS = 20
TURNS = 6
RATE = 0.01
PLANTED = 1_000
CALLS = 300
Scores = dict[str, np.ndarray]


def trained(data: Dataset, width: int, epochs: int, seed: int = 0) -> keras.Model:
    """An MLP of two layers, its last output the logits."""
    keras.utils.set_random_seed(seed)
    shape = data.x_train.shape[1:]
    model = models.mlp(shape, width=width, depth=2, n_classes=10, seed=seed)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.x_train, data.y_train, batch_size=128, epochs=epochs, verbose=0)
    return model


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities [n, n_classes]."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def label_errors(data: Dataset, votes: Path, networks: int) -> None:
    """The validated errors of MNIST's test set, by several methods, over several networks."""
    wrong = np.zeros(len(data.x_test), bool)
    for entry in json.loads(votes.read_text()):
        wrong[int(entry["id"])] = int(entry["mturk"]["given"]) < 3
    y = data.y_test.astype(int)
    found: dict[str, list[list[float]]] = {}
    for seed in range(networks):
        model = trained(data, 256, 3, seed)
        for name, score in label_scorer(model, data)(y).items():
            order = np.argsort(score, kind="stable")
            recall = [wrong[order[:top]].sum() / wrong.sum() for top in (100, 300)]
            found.setdefault(name, []).append([average_precision_score(wrong, -score), *recall])
    print(f"\n{wrong.sum()} validated errors in {len(y):,} labels, {networks} networks\n")
    print("| method | average precision, mean | of each network | recall at 100 | at 300 |")
    print("|---|---|---|---|---|")
    for name, rows in found.items():
        ap, at_100, at_300 = np.mean(rows, axis=0)
        each = ", ".join(f"{row[0]:.3f}" for row in rows)
        print(f"| {name} | {ap:.3f} | {each} | {at_100:.2f} | {at_300:.2f} |", flush=True)


def planted_errors(data: Dataset) -> None:
    """Average precision for labels of MNIST made wrong on purpose: what the score was chosen by.

    Networks see the first 50,000 training images; 15 labels of the other 10,000 are made wrong, to
    the label that another network holds second: of images that it doubts ("ambiguous"), or any.
    """
    rng, held = np.random.default_rng(0), slice(50_000, None)
    part = replace(
        data,
        x_train=data.x_train[:50_000],
        y_train=data.y_train[:50_000],
        x_test=data.x_train[held],
        y_test=data.y_train[held],
    )
    y = part.y_test.astype(int)
    nets = [trained(part, 256, 3, 100 + seed) for seed in range(2)]
    found: dict[str, dict[str, list[float]]] = {}
    for model, judge in (nets, nets[::-1]):
        scores = label_scorer(model, part)
        doubts = softmax(judge.predict(part.x_test, verbose=0, batch_size=1000)) ** (1 / 3)
        doubts /= doubts.sum(axis=1, keepdims=True)
        doubts[np.arange(len(y)), y] = 0
        for _ in range(TURNS):
            likely = rng.choice(len(y), 15, replace=False, p=doubts.sum(axis=1) / doubts.sum())
            plain = rng.choice(len(y), 15, replace=False)
            turned = (y[plain] + rng.integers(1, 10, 15)) % 10
            for kind, rows, labels in (
                ("ambiguous", likely, doubts[likely].argmax(axis=1)),
                ("likely label", plain, doubts[plain].argmax(axis=1)),
                ("any label", plain, turned),
            ):
                changed_labels = y.copy()
                changed_labels[rows] = labels
                truth = np.isin(np.arange(len(y)), rows)
                for name, score in scores(changed_labels).items():
                    ap = average_precision_score(truth, -score)
                    found.setdefault(name, {}).setdefault(kind, []).append(ap)
    kinds = list(next(iter(found.values())))
    print("\nAverage precision for planted errors\n\n| method | " + " | ".join(kinds) + " |")
    print("|---" * (1 + len(kinds)) + "|")
    for name, by_kind in found.items():
        print(f"| {name} | " + " | ".join(f"{np.mean(by_kind[kind]):.3f}" for kind in kinds) + " |")


def label_scorer(model: keras.Model, data: Dataset) -> Callable[[np.ndarray], Scores]:
    """A function that scores labels of the test set; lower scores are more suspect."""
    from cleanlab.rank import get_label_quality_scores

    encoder = Encoder(model)
    train, test = encoder.encode(data.x_train), encoder.encode(data.x_test)
    known = (train, data.y_train.astype(int))
    last = test.select([test.layers[-1].name])
    likely = softmax(model.predict(data.x_test, verbose=0, batch_size=1000).astype(float))
    pixels = data.x_test.reshape(len(test), -1)
    nearest = NearestNeighbors(n_neighbors=10).fit(pixels).kneighbors(return_distance=False)

    def scores(y: np.ndarray) -> Scores:
        pixel_votes = (y[nearest][:, :, np.newaxis] == np.arange(10)).mean(axis=1)
        ways: dict[str, dict[str, Any]] = {
            "codes": {},
            "codes, training set known": {"known": known},
            "codes and probabilities": {"probabilities": likely},
            "codes and probabilities, training set known": {
                "known": known,
                "probabilities": likely,
            },
        }
        return {
            **{name: audit.label_errors(test, y, **given).score for name, given in ways.items()},
            "codes, last layer alone": audit.label_errors(last, y).score,
            "cleanlab, the network's probabilities": get_label_quality_scores(y, likely),
            "cleanlab, the same, normalized margin": get_label_quality_scores(
                y, likely, method="normalized_margin"
            ),
            "cleanlab, k-NN on pixels": get_label_quality_scores(y, pixel_votes),
        }

    return scores


def strangers_to_digits(data: Dataset, other: Dataset) -> dict[str, np.ndarray]:
    """Inputs unlike MNIST's: CIFAR-10 in gray, noise, other digits, digits on their side."""
    shape = data.x_test.shape[1:]
    gray = other.x_test.reshape(-1, 32, 32, 3).mean(axis=3)[:, 2:30, 2:30].reshape(-1, *shape)
    square = data.x_test.reshape(-1, 28, 28)
    noise = np.random.default_rng(0).uniform(data.x_test.min(), data.x_test.max(), (5_000, *shape))
    return {
        "CIFAR-10 in gray": gray[:5_000],
        "uniform noise": noise,
        "digits of scikit-learn": small_digits(data).reshape(-1, *shape)[:5_000],
        "rotated by 90 degrees": np.rot90(square, axes=(1, 2)).reshape(-1, *shape)[:5_000],
    }


def strangers_to_pictures(x: np.ndarray, digits: Dataset) -> dict[str, np.ndarray]:
    """Inputs unlike CIFAR-10's: MNIST, noise, and CIFAR-10's own with noise or blurred."""
    rng = np.random.default_rng(0)
    square = digits.x_test[: len(x)].reshape(-1, 28, 28, 1)
    padded = np.pad(square, ((0, 0), (2, 2), (2, 2), (0, 0)))
    blurred = np.mean([np.roll(x, (i, j), (1, 2)) for i in range(5) for j in range(5)], axis=0)
    return {
        "MNIST": padded.repeat(3, axis=3),
        "uniform noise": rng.uniform(0, 1, x.shape),
        "CIFAR-10, noise of 0.2": (x + rng.normal(0, 0.2, x.shape)).clip(0, 1),
        "CIFAR-10, 5 x 5 mean": blurred,
    }


def monitor(
    model: keras.Model, data: Dataset, strangers: dict[str, np.ndarray], n_train: int, n_test: int
) -> None:
    """Scores of a test set against those of inputs of another kind.

    pytorch-ood and its like read PyTorch models alone: maximum softmax, energy, k-NN (Sun et al.,
    2022) and Mahalanobis (Lee et al., 2018, on the last hidden layer) are made with NumPy and
    scikit-learn from the same network's outputs.
    """
    rng = np.random.default_rng(0)
    encoder = Encoder(model)
    x, y, x_test = data.x_train[:n_train], data.y_train[:n_train], data.x_test[:n_test]
    last = keras.Model(model.inputs, [model.layers[-1].input, model.outputs[0]])

    def outputs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return last.predict(x, batch_size=500, verbose=0)

    known, _ = outputs(x)
    some = rng.permutation(len(x))[:20_000]
    features = NearestNeighbors(n_neighbors=1).fit(known[some])
    means = np.stack([known[y == c].mean(axis=0) for c in range(10)])
    spread = EmpiricalCovariance().fit(known - means[y.astype(int)])
    train = encoder.encode(x)
    names = [layer.name for layer in train.layers]
    parts = {"all layers": names, "first layer": names[:1], "last layer": names[-1:]}
    parts = {name: chosen for name, chosen in parts.items() if len(train.layers) > 1}
    watched = {
        (part, shared): audit.RegionMonitor(normalize=shared).fit(train.select(chosen), y)
        for part, chosen in parts.items()
        for shared in (False, True)
    }

    def scores(x: np.ndarray) -> dict[str, np.ndarray]:
        codes, (seen, logits) = encoder.encode(x), outputs(x)
        predicted = logits.argmax(axis=1).astype(y.dtype)
        found = {}
        for (part, shared), one in watched.items():
            name = f"codes{' / units on' if shared else ''}, {part}"
            chosen = codes.select(parts[part])
            found[name] = one.score(chosen)
            if part == "all layers":
                found[f"{name}, predicted class"] = one.score(chosen, predicted)
        top = logits.max(axis=1)
        return {
            **found,
            "maximum softmax": -softmax(logits).max(axis=1),
            "energy": -np.log(np.exp(logits - top[:, np.newaxis]).sum(axis=1)) - top,
            "k-NN on features": features.kneighbors(seen)[0][:, 0],
            "Mahalanobis": np.min([spread.mahalanobis(seen - mean) for mean in means], axis=0),
        }

    own = scores(x_test)
    accuracy = (outputs(x_test)[1].argmax(axis=1) == data.y_test[:n_test]).mean()
    print(f"\n{model.name}, {train.n_bits:,} bits, {len(x):,} training images, accuracy on "
          f"{len(x_test):,} test images {accuracy:.3f}")  # fmt: skip
    print("\nAUROC / FPR95\n\n| score | " + " | ".join(strangers) + " |")
    print("|---" * (1 + len(strangers)) + "|")
    cells: dict[str, list[str]] = {name: [] for name in own}
    for strange in strangers.values():
        for name, score in scores(strange.astype(np.float32)).items():
            truth = np.r_[np.zeros(len(own[name])), np.ones(len(score))]
            auroc = roc_auc_score(truth, np.r_[own[name], score])
            fpr = (own[name] >= np.quantile(score, 0.05)).mean()  # 95 % of the strangers are told
            cells[name].append(f"{auroc:.3f} / {fpr:.3f}")
    for name, row in cells.items():
        print(f"| {name} | " + " | ".join(row) + " |")
    false_alarms(watched["all layers", False], encoder.encode(x_test))


def false_alarms(watched: audit.RegionMonitor, test: Codes) -> None:
    """The rate on one half of a test set, calibrated on the other, over splits."""
    rng, alarms, half = np.random.default_rng(0), [], len(test) // 2
    for _ in range(SPLITS):
        order = rng.permutation(len(test))
        watched.calibrate(test[order[:half]], RATE)
        alarms.append(watched.predict(test[order[half:]]).mean())
    print(
        f"\nFalse alarms over {SPLITS} splits of the test set, asked for at most {RATE}: "
        f"mean {np.mean(alarms):.4f}, from {min(alarms):.4f} to {max(alarms):.4f}",
        flush=True,
    )


def latency() -> None:
    """One input against 60,000 codes of 512 bits: the search, and with a model's encoding."""
    rng = np.random.default_rng(0)
    model = models.mlp((784,), width=256, depth=2, n_classes=10, seed=0)
    encoder = Encoder(model)
    x = rng.uniform(0, 1, (60_000, 784)).astype(np.float32)
    train = encoder.encode(x)
    watched = audit.RegionMonitor().fit(train).calibrate(train[:1_000])
    fresh = rng.uniform(0, 1, (CALLS, 784)).astype(np.float32)
    codes = encoder.encode(fresh)
    print(f"\nOne input against {len(train):,} codes of {train.n_bits} bits, {CALLS} calls")
    print("\n| what | processor time, median | wall, least | wall, median |\n|---|---|---|---|")
    for name, call in (
        ("predict(codes)", lambda i: watched.predict(codes[i : i + 1])),
        ("encode(x)", lambda i: encoder.encode(fresh[i : i + 1])),
        ("predict(encode(x))", lambda i: watched.predict(encoder.encode(fresh[i : i + 1]))),
    ):
        call(0)
        walls, times = np.empty(CALLS), np.empty(CALLS)
        for i in range(CALLS):
            wall, taken = time.perf_counter(), time.process_time()
            call(i)
            walls[i], times[i] = time.perf_counter() - wall, time.process_time() - taken
        numbers = (np.median(times), walls.min(), np.median(walls))
        print(f"| {name} | " + " | ".join(f"{1e3 * t:.2f} ms" for t in numbers) + " |", flush=True)


def small_digits(data: Dataset) -> np.ndarray:
    """scikit-learn's 8 x 8 digits as 28 x 28 in MNIST's range."""
    from sklearn.datasets import load_digits

    images = [np.asarray(Image.fromarray((16 * x).clip(0, 255).astype(np.uint8)).resize((20, 20)))
              for x in load_digits().images]  # fmt: skip
    padded = np.pad(np.stack(images), ((0, 0), (4, 4), (4, 4))) / 255.0
    low, high = float(data.x_train.min()), float(data.x_train.max())
    return low + padded * (high - low)


def changed(image: np.ndarray, kind: str) -> np.ndarray:
    """A uint8 image [32, 32, 3] changed as duplicates in the wild are."""
    if kind == "crop":
        return np.asarray(
            Image.fromarray(image[2:30, 2:30]).resize((32, 32), Image.Resampling.BILINEAR)
        )
    if kind == "shift":
        return np.pad(image, ((1, 0), (1, 0), (0, 0)), "edge")[:32, :32]
    if kind == "brightness":
        return (image * 1.15).clip(0, 255).astype(np.uint8)
    if kind == "JPEG":
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=75)
        return np.asarray(Image.open(file))
    return image[:, ::-1]


def hash_codes(images: np.ndarray) -> Codes:
    """The perceptual hashes of uint8 images [n, 32, 32, 3], of 64 bits each."""
    import imagehash

    return Codes.from_bits(
        np.stack([imagehash.phash(Image.fromarray(image)).hash.ravel() for image in images])
    )


def natural(name: str, x: np.ndarray, codes: Codes) -> None:
    """How many examples of a set are alike as they come."""
    pixels = np.ascontiguousarray(x.reshape(len(x), -1))
    rows = pixels.view(np.dtype((np.void, pixels.itemsize * pixels.shape[1]))).ravel()
    close = audit.near_duplicates(codes, codes.n_bits // 100)
    groups = audit.duplicate_groups(codes, close)
    print(f"| {name} | {len(x):,} | {len(x) - len(np.unique(rows))} | "
          f"{(close[:, 2] == 0).sum()} | {len(close)} | {len(groups)} |", flush=True)  # fmt: skip


def network_codes(data: Dataset) -> Callable[[np.ndarray], Codes]:
    """The codes of an MLP trained on CIFAR-10, of uint8 images."""
    encoder = Encoder(trained(data, 512, 3))
    low, high = float(data.x_train.min()), float(data.x_train.max())

    def encode(images: np.ndarray) -> Codes:
        x = (low + images / 255.0 * (high - low)).astype(data.x_train.dtype)
        return encoder.encode(x.reshape(-1, *data.x_train.shape[1:]))

    return encode


def duplicates(data: Dataset, encoders: dict[str, Callable[[np.ndarray], Codes]]) -> None:
    """Planted duplicates of CIFAR-10 images among its training images, by several codes."""
    x = data.x_train
    low, high = float(x.min()), float(x.max())
    rng = np.random.default_rng(0)
    sources = rng.choice(len(x), PLANTED, replace=False)

    def images(of: np.ndarray) -> np.ndarray:
        scaled = (of.reshape(-1, 32, 32, 3) - low) / (high - low) * 255
        return scaled.round().astype(np.uint8)

    times, bases = {}, {}
    for name, encode in encoders.items():
        start = time.process_time()
        bases[name] = encode(images(x))
        times[name] = time.process_time() - start
    print("\nNatural near-duplicates: equal pixels, equal codes, within 1 % of the bits, groups")
    print(f"\n| set | images | equal pixels | equal codes | within 1 % | groups |\n{'|---' * 6}|")
    for name, base in bases.items():
        natural(f"CIFAR-10, training, {name}", x, base)
    print("\n| kind | by | radius | recall | precision |\n|---|---|---|---|---|")
    for kind in ("crop", "shift", "brightness", "JPEG", "flip"):
        made = np.stack([changed(image, kind) for image in images(x[sources])])
        for name, encode in encoders.items():
            base, codes = bases[name], encode(made)
            for radius in (20, 51, 102) if name == "codes" else (0, 4, 10):
                pairs = audit.leakage(base, codes, radius)
                right = pairs[:, 1] == sources[pairs[:, 0]]
                precision = f"{right.mean():.3f}" if len(pairs) else "none found"
                print(f"| {kind} | {name} | {radius} of {base.n_bits} | "
                      f"{right.sum() / PLANTED:.3f} | {precision} |", flush=True)  # fmt: skip
    for name, base in bases.items():
        start = time.process_time()
        audit.near_duplicates(base, 0)
        print(f"{name}: {times[name]:.1f} s of processor time for {len(x):,} images, all pairs "
              f"within 0 in {time.process_time() - start:.1f} s, "
              f"{base.words.nbytes / 1e6:.1f} MB", flush=True)  # fmt: skip


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data_dir", type=Path)
    parser.add_argument("--votes", type=Path, help="people's votes on MNIST's suspected labels")
    parts = ("labels", "planted", "monitor", "latency", "duplicates")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts[:-1])
    parser.add_argument("--networks", type=int, default=1, help="trained for the labels, in turn")
    parser.add_argument("--resnet", help="a ResNet-20 of benchmarks.cifar_resnet to monitor")
    given = parser.parse_args()
    print(f"{metrics.get_num_threads()} threads, {metrics.isa()}")
    pictures = datasets.load("cifar10", data_dir=given.data_dir)
    digits = datasets.load("mnist", data_dir=given.data_dir)
    if "labels" in given.only and given.votes is not None:
        label_errors(digits, given.votes, given.networks)
    if "planted" in given.only:
        planted_errors(digits)
    if "monitor" in given.only and given.resnet:
        strange = strangers_to_pictures(pictures.x_test[1_000:1_500], digits)
        monitor(keras.saving.load_model(given.resnet), pictures, strange, 3_840, 1_000)
    elif "monitor" in given.only:
        strange = strangers_to_digits(digits, pictures)
        monitor(trained(digits, 256, 3), digits, strange, 60_000, 10_000)
    if "latency" in given.only:
        latency()
    if "duplicates" in given.only:
        duplicates(pictures, {"codes": network_codes(pictures), "perceptual hash": hash_codes})


if __name__ == "__main__":
    main()
