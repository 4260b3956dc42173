"""One-vs-one logistic regression on codes of real images, against scikit-learn's.

python -m benchmarks.bench_logistic --data_dir FOLDER

The peer has the 0/1 matrix in float64 (its own choice for a matrix of bits) and is timed once: it
takes up to minutes.
"""

import time
import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier

from benchmarks.harness import Options, Row, main, medians
from benchmarks.real_codes import real_codes
from tfhash.metrics import CodeLogisticRegression


def rows(options: Options) -> Iterator[Row]:
    """One row for each dataset, with the test accuracy that both reach."""
    for name in ("mnist", "cifar10"):
        codes = real_codes(name, options.data_dir)
        n, n_test = options.size(len(codes.train)), options.size(len(codes.test))
        train, y = codes.train[:n], codes.y_train[:n]
        test, y_test = codes.test[:n_test], codes.y_test[:n_test]
        model = CodeLogisticRegression()
        (ours,) = medians(options.repeats, lambda: model.fit(train, y))  # noqa: B023

        bits = train.to_bits().astype(np.float64)
        peer = OneVsOneClassifier(LogisticRegression())
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 100 iterations are not enough
            peer.fit(bits, y)
        theirs = time.perf_counter() - start

        accuracy = model.score(test, y_test)
        expected = peer.score(test.to_bits().astype(np.float64), y_test)
        iterations = max(estimator.n_iter_.max() for estimator in peer.estimators_)
        note = (
            f"test accuracy {accuracy:.4f} / {expected:.4f}, "
            f"at most {model.n_iter_.max()} / {iterations} iterations"
        )
        work = f"CodeLogisticRegression, {name} {n:,} x {train.n_bits:,}"
        yield Row(work, "sklearn OneVsOne", ours, theirs, 8, note)


main(__name__, rows, __doc__)
