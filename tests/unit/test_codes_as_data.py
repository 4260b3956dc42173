"""Codes where people put them: arrays, pickles, copies, and scikit-learn's tools."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    learning_curve,
    train_test_split,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import resample, shuffle

from reference import random_bits
from tfhash import Codes, metrics

CLASSIFIERS = (metrics.CodeLogisticRegression(), metrics.HammingKNeighborsClassifier(5))


@pytest.fixture(scope="module")
def bits():
    return random_bits(90, 70)


@pytest.fixture(scope="module")
def labels(bits):
    return np.array(["a", "b", "c"])[bits[:, :2].sum(axis=1)]


@pytest.fixture(params=("in memory", "mapped"))
def codes(bits, request, tmp_path):
    made = Codes.from_bits(bits, [("x", 0, 30), ("y", 30, 70)])
    if request.param == "in memory":
        return made
    made.save(tmp_path / "codes")
    return Codes.load(tmp_path / "codes", mmap=True)


# ---- as arrays -------------------------------------------------------------------------------


def test_codes_are_as_arrays_of_their_bits(codes, bits):
    assert (codes.shape, codes.ndim, np.shape(codes), np.ndim(codes)) == ((90, 70), 2, (90, 70), 2)
    array = np.asarray(codes)
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, bits)
    np.testing.assert_array_equal(np.concatenate([codes, codes]), np.concatenate([bits, bits]))
    floats = np.array(codes, np.float32)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, bits)
    labels = np.arange(90) % 2
    assert KNeighborsClassifier(1).fit(codes, labels).score(codes, labels) > 0.9


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="copy= of NumPy 2")
def test_the_bits_are_never_a_view(codes):
    with pytest.raises(ValueError, match=r"copied|copy to be None or True"):
        np.array(codes, copy=False)


@pytest.mark.parametrize("shape", ((0, 0), (0, 70), (7, 0), (0, 64)))
def test_codes_without_rows_or_bits_are_codes(shape):
    codes = Codes.from_bits(np.zeros(shape, bool), [("x", 0, shape[1])])
    assert codes.shape == np.asarray(codes).shape == codes.to_bits().shape == shape
    for same in (codes[:], codes[[]] if shape[0] == 0 else codes, copy.copy(codes)):
        assert same == codes
    assert pickle.loads(pickle.dumps(codes)) == codes
    assert Codes.concatenate([codes, codes]).shape == (2 * shape[0], shape[1])
    assert Codes.concatenate([codes.select("x")], axis=1) == codes
    codes.verify()


# ---- rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    ([3, 1, 1], slice(2, 50, 3), np.arange(90) % 2 == 0, 5, -1, np.uint8(4), np.array(7), [], ...),
)
def test_rows_are_chosen_as_scikit_learn_asks_for_them(rows, codes, bits):
    index = [int(rows)] if np.ndim(rows) == 0 and not isinstance(rows, slice | type(...)) else rows
    index = np.array(index, int) if isinstance(index, list) else index
    for chosen in (codes[rows], codes[rows, ...], codes[rows, :]):
        np.testing.assert_array_equal(chosen.to_bits(), bits[index])
        assert chosen.layers == codes.layers


@pytest.mark.parametrize(
    "rows",
    (
        "x",
        None,
        1.5,
        [0.5],
        ["x"],
        True,
        np.True_,
        (1, 2),
        (slice(None), 3),
        (slice(None), np.arange(3)),
        ([1], slice(1, 2)),
        (1, ..., ...),
        [[1]],
        np.zeros((90, 70), bool),
        90,
        [90],
        -91,
        np.zeros(89, bool),
        2**70,
    ),
    ids=repr,
)
def test_what_chooses_no_rows_is_refused_at_once(rows, codes):
    with pytest.raises(IndexError):
        codes[rows]
    with pytest.raises(IndexError, match=r"select\(names\).*keep_bits"):
        codes["x"]


# ---- pickles and copies ----------------------------------------------------------------------


def ways_to_copy():
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield lambda codes, protocol=protocol: pickle.loads(pickle.dumps(codes, protocol))

    def out_of_band(codes):
        buffers: list[pickle.PickleBuffer] = []
        data = pickle.dumps(codes, 5, buffer_callback=buffers.append)
        copies = [bytearray(buffer.raw()) for buffer in buffers]  # that can be written to
        restored = pickle.loads(data, buffers=copies)
        for buffer in copies:
            buffer[:] = b"\xff" * len(buffer)
        return restored

    yield out_of_band
    yield copy.copy
    yield copy.deepcopy
    yield lambda codes: clone(codes, safe=False)
    yield lambda codes: copy.deepcopy({"a": [codes]})["a"][0]


@pytest.mark.parametrize("way", list(ways_to_copy()))
def test_copies_are_equal_and_read_only(way, codes, bits):
    copied = way(codes)
    assert copied == codes
    np.testing.assert_array_equal(copied.to_bits(), bits)
    for part in (copied, copied[2:5], copied[[1, 2]]):
        assert not part.words.flags.writeable
        with pytest.raises(ValueError):
            part.words.flags.writeable = True
        with pytest.raises(ValueError):
            part.words[0, 0] = 1


def test_a_pickle_of_mapped_codes_does_not_need_the_file(bits, tmp_path):
    Codes.from_bits(bits).save(tmp_path / "x")
    data = pickle.dumps(Codes.load(tmp_path / "x", mmap=True))
    (tmp_path / "x").unlink()
    np.testing.assert_array_equal(pickle.loads(data).to_bits(), bits)


def test_pickles_are_checked_and_old_ones_are_read(bits):
    class Old:
        """Pickles as codes did when they had no way of their own: class, and slots."""

        def __init__(self, **slots):
            self.slots = slots

        def __reduce__(self):
            return object.__new__, (Codes,), (None, self.slots)

    codes = Codes.from_bits(bits)
    slots = {"_words": codes.words.copy(), "_n_bits": 70, "_layers": ()}
    restored = pickle.loads(pickle.dumps(Old(**slots)))
    assert restored == codes
    assert not restored.words.flags.writeable
    dirty = codes.words | np.uint64(1 << 63)
    for wrong in (
        {"_words": dirty},
        {"_n_bits": 7.5},
        {"_n_bits": 200},
        {"_layers": [("a", 0, 9)]},
    ):
        with pytest.raises(ValueError, match="Expected"):
            pickle.loads(pickle.dumps(Old(**slots | wrong)))


def test_joblib_keeps_codes_and_hashes_equal_ones_alike(codes, bits, tmp_path):
    joblib.dump(codes, tmp_path / "codes.joblib")
    for mode in (None, "r"):
        loaded = joblib.load(tmp_path / "codes.joblib", mmap_mode=mode)
        assert loaded == codes
    assert joblib.hash(codes) == joblib.hash(Codes.from_bits(bits, codes.layers))


# ---- scikit-learn ----------------------------------------------------------------------------


def test_splitting_gives_codes(codes, bits, labels):
    ours = train_test_split(codes, labels, random_state=0, stratify=labels)
    theirs = train_test_split(bits, labels, random_state=0, stratify=labels)
    for part, expected in zip(ours[:2], theirs[:2], strict=True):
        assert isinstance(part, Codes)
        np.testing.assert_array_equal(part.to_bits(), expected)
        assert part.layers == codes.layers
    np.testing.assert_array_equal(
        shuffle(codes, random_state=1).to_bits(), shuffle(bits, random_state=1)
    )
    np.testing.assert_array_equal(
        resample(codes, random_state=1).to_bits(), resample(bits, random_state=1)
    )


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=lambda e: type(e).__name__)
def test_validation_and_search_are_those_of_the_matrix(estimator, codes, bits, labels):
    np.testing.assert_array_equal(
        cross_val_score(estimator, codes, labels, error_score="raise"),
        cross_val_score(estimator, bits, labels),
    )
    np.testing.assert_array_equal(
        cross_val_predict(estimator, codes, labels), cross_val_predict(estimator, bits, labels)
    )
    grid = {"C": [0.1, 1]} if hasattr(estimator, "C") else {"n_neighbors": [3, 5]}
    searches = [
        GridSearchCV(estimator, grid, error_score="raise", return_train_score=True).fit(x, labels)
        for x in (codes, bits)
    ]
    assert searches[0].n_features_in_ == 70
    for key in ("mean_test_score", "mean_train_score"):
        np.testing.assert_array_equal(*(search.cv_results_[key] for search in searches))
    np.testing.assert_array_equal(
        learning_curve(estimator, codes, labels, train_sizes=[30, 60], cv=KFold(3))[2],
        learning_curve(estimator, bits, labels, train_sizes=[30, 60], cv=KFold(3))[2],
    )


@pytest.mark.full
def test_processes_get_the_codes(bits, labels, tmp_path):
    Codes.from_bits(bits).save(tmp_path / "codes")
    codes = Codes.load(tmp_path / "codes", mmap=True)
    estimator = CLASSIFIERS[1]
    scores = cross_val_score(estimator, bits, labels)
    with joblib.parallel_config("loky", n_jobs=2, max_nbytes=1):  # all arrays through files
        np.testing.assert_array_equal(
            cross_val_score(estimator, codes, labels, error_score="raise"), scores
        )


def test_pipelines_take_and_hand_on_codes(codes, bits, labels):
    to_codes = FunctionTransformer(Codes.from_bits)
    expected = CLASSIFIERS[1].fit(bits, labels).predict(bits)
    piped = make_pipeline(to_codes, CLASSIFIERS[1]).fit(bits, labels)
    np.testing.assert_array_equal(piped.predict(bits), expected)
    piped = make_pipeline(FunctionTransformer(lambda c: c.select("y")), CLASSIFIERS[1])
    assert piped.fit(codes, labels).score(codes, labels) > 0.3
    distances = make_pipeline(metrics.CodeKMeans(3, n_init=1, random_state=0), PCA(2))
    np.testing.assert_allclose(distances.fit_transform(codes), distances.fit_transform(bits))
    again = pickle.loads(pickle.dumps(clone(piped.set_params(functiontransformer=None))))
    assert again.fit(codes, labels).score(codes, labels) > 0.3
