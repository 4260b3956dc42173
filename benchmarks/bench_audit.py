"""What an audit finds on real data: wrong labels, planted duplicates, inputs of another kind.

python -m benchmarks.bench_audit --data_dir FOLDER [--votes mnist_test_label_votes.json]
    [--only labels monitor duplicates]

Some minutes on two processors. An MLP of two layers of 256 units is trained on MNIST for 3 epochs,
one of two layers of 512 units on CIFAR-10 for 3. Prints tables of Markdown. The votes are those of
Northcutt et al., "Pervasive Label Errors in Test Sets" (github.com/cleanlab/label-errors): an error
counts as validated where fewer than three of five people voted for the given label. Peers: cleanlab
for labels; k-NN and Mahalanobis scores made with scikit-learn for inputs of another kind; the
perceptual hash of the package imagehash, of 64 bits, for duplicates.
"""

import argparse
import io
import json
import time
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from tfhash import Codes, Encoder, audit, datasets, metrics, models
from tfhash.datasets import Dataset

SPLITS = 20
TURNS = 3
RATE = 0.01
PLANTED = 1_000


def trained(data: Dataset, width: int, epochs: int) -> keras.Model:
    """An MLP of two layers, its last output the logits."""
    shape = data.x_train.shape[1:]
    model = models.mlp(shape, width=width, depth=2, n_classes=10, seed=0)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.x_train, data.y_train, batch_size=128, epochs=epochs, verbose=0)
    return model


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities [n, n_classes]."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def label_errors(model: keras.Model, data: Dataset, test: Codes, votes: Path) -> None:
    """The validated errors of MNIST's test set, by three methods."""
    from cleanlab.rank import get_label_quality_scores

    wrong = np.zeros(len(test), bool)
    for entry in json.loads(votes.read_text()):
        wrong[int(entry["id"])] = int(entry["mturk"]["given"]) < 3
    y = data.y_test.astype(int)
    probabilities = softmax(model.predict(data.x_test, verbose=0))
    pixels = data.x_test.reshape(len(test), -1)
    nearest = NearestNeighbors(n_neighbors=10).fit(pixels).kneighbors(return_distance=False)

    def scores(y: np.ndarray) -> dict[str, np.ndarray]:
        found = {
            f"codes, vote of {k} neighbors": audit.label_errors(test, y, k).score
            for k in (10, 5, 20, 50)
        }
        pixel_votes = (y[nearest][:, :, np.newaxis] == np.arange(10)).mean(axis=1)
        for name, given in (("the network's", probabilities), ("k-NN on pixels'", pixel_votes)):
            found[f"cleanlab, {name} probabilities"] = get_label_quality_scores(y, given)
        return found

    # Labels made wrong on purpose, to tell methods apart where 15 errors are too few.
    rng = np.random.default_rng(0)
    planted: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in scores(y)}
    likely = np.argsort(-probabilities, axis=1)
    for _ in range(TURNS):
        rows = rng.choice(np.flatnonzero(~wrong), len(y) // 100, replace=False)
        second = np.where(likely[rows, 0] == y[rows], likely[rows, 1], likely[rows, 0])
        for kind, labels in enumerate((second, (y[rows] + rng.integers(1, 10, len(rows))) % 10)):
            changed_labels = y.copy()
            changed_labels[rows] = labels
            for name, score in scores(changed_labels).items():
                truth = np.isin(np.arange(len(y)), rows)
                planted[name][kind].append(average_precision_score(truth, -score))

    print(f"\n{wrong.sum()} validated errors in {len(test):,} labels\n")
    print("| method | average precision | recall at 100 | at 300 | planted, a likely label | any |")
    print("|---|---|---|---|---|---|")
    for name, score in scores(y).items():
        order = np.argsort(score, kind="stable")
        recall = [wrong[order[:top]].sum() / wrong.sum() for top in (100, 300)]
        ap = average_precision_score(wrong, -score)
        likely_ap, any_ap = (np.mean(values) for values in planted[name])
        print(f"| {name} | {ap:.3f} | {recall[0]:.2f} | {recall[1]:.2f} | {likely_ap:.3f} | "
              f"{any_ap:.3f} |", flush=True)  # fmt: skip


def monitor(model: keras.Model, data: Dataset, train: Codes, test: Codes, other: Dataset) -> None:
    """Scores of MNIST's test set against those of inputs of another kind."""
    encoder = Encoder(model)
    rng = np.random.default_rng(0)
    shape = data.x_test.shape[1:]
    gray = other.x_test.reshape(-1, 32, 32, 3).mean(axis=3)[:, 2:30, 2:30].reshape(-1, *shape)
    square = data.x_test.reshape(-1, 28, 28)
    strangers = {
        "CIFAR-10 in gray": gray,
        "uniform noise": rng.uniform(data.x_test.min(), data.x_test.max(), data.x_test.shape),
        "digits of scikit-learn": small_digits(data).reshape(-1, *shape),
        "rotated by 90 degrees": np.rot90(square, axes=(1, 2)).reshape(-1, *shape),
    }
    last = keras.Model(model.inputs, model.layers[-1].input)
    some = rng.choice(len(train), 20_000, replace=False)
    features = NearestNeighbors(n_neighbors=1).fit(last.predict(data.x_train[some], verbose=0))
    known_features = last.predict(data.x_train, verbose=0)
    means = np.stack([known_features[data.y_train == c].mean(axis=0) for c in range(10)])
    # Lee et al., "A simple unified framework": one covariance for all classes, on the last layer.
    spread = EmpiricalCovariance().fit(known_features - means[data.y_train.astype(int)])
    plain = audit.RegionMonitor().fit(train, data.y_train)
    shared = audit.RegionMonitor(normalize=True).fit(train, data.y_train)

    def scores(x: np.ndarray, codes: Codes) -> dict[str, np.ndarray]:
        logits = model.predict(x, verbose=0)
        predicted = logits.argmax(axis=1).astype(data.y_train.dtype)
        seen = last.predict(x, verbose=0)
        energy = -np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) - logits.max(1)
        return {
            "codes, all classes": plain.score(codes),
            "codes, predicted class": plain.score(codes, predicted),
            "codes / units on, predicted class": shared.score(codes, predicted),
            "maximum softmax": -softmax(logits).max(axis=1),
            "energy": energy,
            "k-NN on features": features.kneighbors(seen)[0][:, 0],
            "Mahalanobis": np.min([spread.mahalanobis(seen - mean) for mean in means], axis=0),
        }

    own = scores(data.x_test, test)
    print("\nAUROC / FPR95\n\n| score | " + " | ".join(strangers) + " |")
    print("|---" * (1 + len(strangers)) + "|")
    cells: dict[str, list[str]] = {name: [] for name in own}
    for x in strangers.values():
        x = x[:5_000].astype(np.float32)
        for name, score in scores(x, encoder.encode(x)).items():
            known = own[name]
            truth = np.r_[np.zeros(len(known)), np.ones(len(score))]
            auroc = roc_auc_score(truth, np.r_[known, score])
            fpr = (known >= np.quantile(score, 0.05)).mean()  # 95 % of the strangers are told
            cells[name].append(f"{auroc:.3f} / {fpr:.3f}")
    for name, row in cells.items():
        print(f"| {name} | " + " | ".join(row) + " |")

    alarms = []
    for _ in range(SPLITS):
        order = rng.permutation(len(test))
        plain.calibrate(test[order[:5_000]], RATE)
        alarms.append(plain.predict(test[order[5_000:]]).mean())
    print(
        f"\nFalse alarms over {SPLITS} splits of the test set, asked for at most {RATE}: "
        f"mean {np.mean(alarms):.4f}, from {min(alarms):.4f} to {max(alarms):.4f}"
    )
    times = []
    for i in range(200):
        one = test[i : i + 1]
        start = time.perf_counter()
        plain.score(one)
        times.append(time.perf_counter() - start)
    print(f"One input against {len(train):,} codes of {train.n_bits} bits: "
          f"median {1e3 * np.median(times):.2f} ms")  # fmt: skip


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


def duplicates(data: Dataset) -> None:
    """Planted duplicates of CIFAR-10 images among its training images, found by their codes."""
    model = trained(data, 512, 3)
    encoder = Encoder(model)
    x = data.x_train
    low, high = float(x.min()), float(x.max())
    rng = np.random.default_rng(0)
    sources = rng.choice(len(x), PLANTED, replace=False)

    def images(of: np.ndarray) -> np.ndarray:
        scaled = (of.reshape(-1, 32, 32, 3) - low) / (high - low) * 255
        return scaled.round().astype(np.uint8)

    def encoded(of: np.ndarray) -> Codes:
        back = (low + of / 255.0 * (high - low)).astype(x.dtype)
        return encoder.encode(back.reshape(-1, *x.shape[1:]))

    times = {}
    bases = {}
    for name, encode in (("codes", encoded), ("perceptual hash", hash_codes)):
        start = time.perf_counter()
        bases[name] = encode(images(x))
        times[name] = time.perf_counter() - start
    print("\nNatural near-duplicates: equal pixels, equal codes, within 1 % of the bits, groups")
    print(
        "\n| set | images | equal pixels | equal codes | within 1 % | groups |\n|---"
        + "|---" * 5
        + "|"
    )
    natural("CIFAR-10, training", x, bases["codes"])
    natural("CIFAR-10, test", data.x_test, encoder.encode(data.x_test))
    natural("CIFAR-10, training, by perceptual hash", x, bases["perceptual hash"])
    print("\n| kind | by | radius | recall | precision |\n|---|---|---|---|---|")
    radii = {"codes": (20, 51, 102), "perceptual hash": (0, 4, 10)}
    for kind in ("crop", "shift", "brightness", "JPEG", "flip"):
        made = np.stack([changed(image, kind) for image in images(x[sources])])
        for name, encode in (("codes", encoded), ("perceptual hash", hash_codes)):
            base, codes = bases[name], encode(made)
            for radius in radii[name]:
                pairs = audit.leakage(base, codes, radius)
                right = pairs[:, 1] == sources[pairs[:, 0]]
                precision = f"{right.mean():.3f}" if len(pairs) else "none found"
                print(f"| {kind} | {name} | {radius} of {base.n_bits} | "
                      f"{right.sum() / PLANTED:.3f} | {precision} |", flush=True)  # fmt: skip
    for name, base in bases.items():
        start = time.perf_counter()
        audit.near_duplicates(base, 0)
        print(f"{name}: {times[name]:.1f} s for {len(x):,} images, all pairs within 0 in "
              f"{time.perf_counter() - start:.1f} s, {base.words.nbytes / 1e6:.1f} MB")  # fmt: skip


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data_dir", type=Path)
    parser.add_argument("--votes", type=Path, help="people's votes on MNIST's suspected labels")
    parts = ("labels", "monitor", "duplicates")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    given = parser.parse_args()
    print(f"{metrics.get_num_threads()} threads, {metrics.isa()}")
    pictures = datasets.load("cifar10", data_dir=given.data_dir)
    if {"labels", "monitor"} & set(given.only):
        digits = datasets.load("mnist", data_dir=given.data_dir)
        model = trained(digits, 256, 3)
        encoder = Encoder(model)
        train, test = encoder.encode(digits.x_train), encoder.encode(digits.x_test)
        if given.votes is not None and "labels" in given.only:
            label_errors(model, digits, test, given.votes)
        if "monitor" in given.only:
            monitor(model, digits, train, test, pictures)
    if "duplicates" in given.only:
        duplicates(pictures)


if __name__ == "__main__":
    main()
