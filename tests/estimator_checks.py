"""scikit-learn's checks of an estimator, for estimators of 0/1 matrices.

The checks are made with numbers of all kinds, which are no bits. They are run twice: as they are,
where those that need other numbers may fail, and with each number written as bits, where none may.
"""

import numpy as np
from sklearn.utils.estimator_checks import check_estimator

from tfhash import Codes
from tfhash.metrics import _estimators
from tfhash.metrics._inputs import as_codes

NOT_BITS = "its numbers are not 0 or 1, and are refused"
EXPECTED_FAILURES = dict.fromkeys(
    (
        "check_classifier_data_not_an_array",
        "check_classifiers_classes",
        "check_classifiers_one_label",
        "check_classifiers_train",
        "check_clustering",
        "check_decision_proba_consistency",
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_dtype_object",
        "check_estimators_dtypes",
        "check_estimators_fit_returns_self",
        "check_estimators_nan_inf",
        "check_estimators_overwrite_params",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit2d_1feature",
        "check_fit2d_1sample",
        "check_fit2d_predict1d",
        "check_fit_check_is_fitted",
        "check_fit_idempotent",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_n_features_in",
        "check_n_features_in_after_fitting",
        "check_non_transformer_estimators_n_iter",
        "check_pipeline_consistency",
        "check_positive_only_tag_during_fit",
        "check_readonly_memmap_input",
        "check_supervised_y_2d",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_n_iter",
        "check_transformer_preserve_dtypes",
    ),
    NOT_BITS,
)
LEVELS = (-2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 5)


def check_as_it_is(estimator):
    """All checks on 0/1 data or no data pass; the others fail for that and no other reason."""
    results = check_estimator(estimator, expected_failed_checks=EXPECTED_FAILURES, on_fail="raise")
    for result in results:
        if result["status"] == "xfail":
            assert "bits that are 0 or 1" in str(result["exception"]) + str(
                result["exception"].__cause__
            ) + str(result["exception"].__context__), result


def check_on_bits(estimator, monkeypatch):
    """Every check passes where each number is written as bits: is it over -2, over -1, ...?"""

    def as_levels(x, name, **options):
        if isinstance(x, Codes):
            return as_codes(x, name, **options)
        numbers = np.asarray(x, float)
        return as_codes(np.concatenate([numbers > t for t in LEVELS], axis=1), name, **options)

    monkeypatch.setattr(_estimators, "as_codes", as_levels)
    check_estimator(estimator, on_skip=None, on_fail="raise")
