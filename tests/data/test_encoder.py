"""Columns become the inputs of a network, as scikit-learn's own transformers would make them."""

from __future__ import annotations

import pickle
import re
import warnings
from datetime import datetime

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from netts.data import TableEncoder, load
from netts.data.encoded_columns import (
    CategoryColumn,
    IgnoredColumn,
    NumberColumn,
)
from netts.data.learning import LARGEST
from netts.errors import (
    BrokenModelError,
    DataError,
    ShapeError,
    UnknownColumnError,
    UnknownValueError,
    UnknownValueWarning,
)

COLOURS = {"size": [1.0, 2.0, 3.0, 6.0], "colour": ["red", "blue", "red", None]}


# No check is expected to fail.
@parametrize_with_checks([TableEncoder()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@given(
    npst.arrays(
        np.float64,
        st.tuples(st.integers(2, 20), st.integers(1, 3)),
        # Whole numbers: scikit-learn takes columns for constant that differ by rounding errors.
        elements=st.one_of(st.integers(-1000, 1000).map(float), st.just(np.nan)),
    )
)
def test_numbers_are_imputed_and_standardised_as_scikit_learn_does(X):
    varies = np.nanmax(X, axis=0, initial=-np.inf) > np.nanmin(X, axis=0, initial=np.inf)
    has_missing = np.isnan(X).any(axis=0) & ~np.isnan(X).all(axis=0)
    used = varies | has_missing
    assume(used.any())
    theirs = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoder = TableEncoder().fit(X)
    is_mark = [name.startswith("missingindicator_") for name in encoder.get_feature_names_out()]
    found = encoder.transform(X)
    np.testing.assert_allclose(
        found[:, ~np.array(is_mark)], theirs.fit_transform(X[:, used]), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_array_equal(found[:, is_mark], np.isnan(X[:, has_missing]))


@given(
    fitted=st.lists(st.sampled_from("abcd"), min_size=2, max_size=30),
    later=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30),
)
def test_categories_are_one_hot_as_scikit_learn_does(fitted, later):
    assume(len(set(fitted)) > 1)
    theirs = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    theirs.fit(np.array(fitted)[:, np.newaxis])
    encoder = TableEncoder(handle_unknown="ignore").fit({"x0": fitted})
    for values in (fitted, later):
        expected = theirs.transform(np.array(values)[:, np.newaxis])
        np.testing.assert_array_equal(encoder.transform({"x0": values}), expected)
    assert encoder.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()


def test_a_mixed_frame_is_what_a_column_transformer_gives():
    pandas = pytest.importorskip("pandas")
    random = np.random.default_rng(0)
    X = pandas.DataFrame(
        {
            "a": random.normal(size=50),
            "b": np.where(random.random(50) < 0.2, np.nan, random.normal(size=50)),
            "c": random.choice(["red", "green", "blue"], 50),
        }
    )
    theirs = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["a", "b"]),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["c"]),
    )
    names = ["a", "b", "c_blue", "c_green", "c_red"]
    encoder = TableEncoder().set_output(transform="pandas")
    found = encoder.fit_transform(X)
    assert found.columns.tolist() == ["a", "b", "missingindicator_b", *names[2:]]
    np.testing.assert_allclose(found[names], theirs.fit_transform(X))


def test_a_missing_value_is_the_median_and_marked():
    encoder = TableEncoder().fit({"a": [1.0, np.nan, 2.0, 9.0]})
    assert encoder.get_feature_names_out().tolist() == ["a", "missingindicator_a"]
    found = encoder.transform({"a": [2.0, np.nan]})
    assert found[0, 0] == found[1, 0]
    assert found[:, 1].tolist() == [0, 1]


def test_a_missing_category_is_one_of_its_own_where_training_had_some():
    encoder = TableEncoder().fit(COLOURS)
    assert encoder.get_feature_names_out().tolist() == [
        "size",
        "colour_blue",
        "colour_red",
        "missingindicator_colour",
    ]
    np.testing.assert_array_equal(
        encoder.transform(COLOURS)[:, 1:], [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    )


def test_yes_and_no_are_one_and_zero_standardised():
    encoder = TableEncoder().fit({"a": [True, False, False, True, True]})
    (column,) = encoder.columns_
    assert (column.kind, column.mean, column.low, column.high) == ("yes/no", 0.6, 0, 1)
    expected = (np.array([1, 0]) - 0.6) / np.std([1, 0, 0, 1, 1])
    for values in ([True, False], ["yes", "No"], [1, 0], ["1", "0"]):
        np.testing.assert_allclose(encoder.transform({"a": values})[:, 0], expected)


def test_dates_are_days_standardised():
    days = np.array(["1970-01-02", "1970-01-03", "1970-01-06"], "datetime64[D]")
    encoder = TableEncoder().fit({"a": days})
    (column,) = encoder.columns_
    assert (column.kind, column.low, column.median, column.high) == ("date", 1, 2, 5)
    assert column.describe_values() == "1970-01-02 to 1970-01-06, as days since 1970"
    noon = encoder.transform({"a": [datetime(1970, 1, 2, 12)]})
    np.testing.assert_allclose(noon, (1.5 - column.mean) / column.scale)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.0, 1.0, 1.0], "the same value in every row"),
        (["x", "x", "x"], "the same value in every row"),
        ([None, None, None], "no value in any row"),
        ([np.nan, np.nan, np.nan], "no value in any row"),
        ([True, True, True], "the same value in every row"),
    ],
)
def test_what_cannot_be_learned_from_is_ignored(values, reason):
    encoder = TableEncoder().fit({"a": values, "b": [1.0, 2.0, 3.0]})
    assert encoder.columns_[0] == IgnoredColumn("a", reason)
    assert encoder.transform({"b": [2.0]}).tolist() == [[0.0]]


def test_texts_that_are_different_in_most_rows_are_ignored():
    names = [f"Mr {row}" for row in range(30)]
    encoder = TableEncoder().fit({"name": names, "b": range(30)})
    assert encoder.columns_[0].reason == "30 different texts in 30 rows"
    few = [f"Mr {row % 15}" for row in range(30)]
    assert len(TableEncoder().fit({"name": few}).columns_[0].categories) == 15


def test_the_rarest_categories_beyond_the_limit_have_no_input():
    values = ["a"] * 3 + ["b"] * 2 + ["c"] * 2 + ["d"]
    encoder = TableEncoder(max_categories=2, handle_unknown="error").fit({"x": values})
    (column,) = encoder.columns_
    assert (column.categories, column.counts, column.n_rare) == (("a", "b"), (3, 2), 2)
    assert encoder.transform({"x": ["c", "new"]}).tolist() == [[0, 0], [0, 0]]


NEW = {"size": [2.0, None], "colour": ["green", "red"]}
COLOUR_MESSAGE = (
    "column 'colour' has 'green' in row 0, which no row trained on had: it counts as none of the "
    "categories known"
)
SIZE_MESSAGE = (
    "column 'size' has no value in row 1, and had one in every row trained on: it counts as their "
    "median, 2.5"
)


def test_what_training_has_not_seen_is_warned_about_by_default():
    encoder = TableEncoder().fit(COLOURS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = encoder.transform(NEW)
    assert [str(warning.message) for warning in caught] == [SIZE_MESSAGE, COLOUR_MESSAGE]
    assert {warning.category for warning in caught} == {UnknownValueWarning}
    assert {warning.filename for warning in caught} == {__file__}
    assert found[0, 1:].tolist() == [0, 0, 0]
    assert found[1, 0] == (2.5 - 3.0) / np.std([1, 2, 3, 6])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ({"size": [2.0], "colour": ["green"]}, COLOUR_MESSAGE),
        ({"size": [2.0, None], "colour": ["red", None]}, SIZE_MESSAGE),
        (
            {"size": [1.0] * 6, "colour": ["red", "a", "b", "a", "c", "d"]},
            (
                "column 'colour' has 'a', 'b', 'c' and 1 more in 5 rows, the first row 1, which no "
                "row trained on had: it counts as none of the categories known"
            ),
        ),
    ],
)
def test_what_training_has_not_seen_can_be_refused(X, message):
    encoder = TableEncoder(handle_unknown="error").fit(COLOURS)
    with pytest.raises(UnknownValueError, match=f"^{re.escape(message)}$"):
        encoder.transform(X)


def test_a_missing_category_that_training_had_not_is_unknown():
    encoder = TableEncoder(handle_unknown="error").fit({"a": ["x", "y"]})
    message = r"^column 'a' has no value in row 0, which no row trained on had: "
    with pytest.raises(UnknownValueError, match=message):
        encoder.transform({"a": [None]})


def test_what_training_has_not_seen_can_be_ignored():
    encoder = TableEncoder(handle_unknown="ignore").fit(COLOURS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(NEW)
    assert [unknown.values for unknown in encoder.find_unknown(NEW)] == [(None,), ("green",)]


def test_named_columns_are_found_in_any_order_among_others():
    encoder = TableEncoder().fit(COLOURS)
    found = encoder.transform({"z": [0], "colour": ["red"], "size": [3.0]})
    assert found.tolist() == [[0, 0, 1, 0]]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            {"sizes": [1], "a": [1], "b": [1], "c": [1]},
            UnknownColumnError,
            (
                "X lacks 'size', 'colour', which the encoder was fitted on; it has 'sizes', 'a', "
                "'b' and 1 more"
            ),
        ),
        (
            [[1, "red", 2]],
            ShapeError,
            "X has 3 features, but TableEncoder is expecting 2 features as input.",
        ),
        (
            {"size": ["big"], "colour": ["red"]},
            DataError,
            "column 'size' was trained on as number, row 0 has 'big'",
        ),
        (
            {"size": [1, 2], "colour": [["red"], ["blue"]]},
            ShapeError,
            "column 'colour' has shape (2, 1), not (n_samples,)",
        ),
    ],
)
def test_what_does_not_fit_the_table_it_was_fitted_on_is_refused(X, error, message):
    encoder = TableEncoder().fit(COLOURS)
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        encoder.transform(X)


@pytest.mark.parametrize(
    ("fitted", "later", "message"),
    [
        ([True, False], ["perhaps"], "was trained on as yes/no, row 0 has 'perhaps'"),
        ([True, False], [True, 2.0], "was trained on as yes/no, row 1 has 2.0"),
        ([datetime(2026, 1, 1), datetime.max], [3], "was trained on as date, row 0 has 3.0"),
        ([1, 2], [None, datetime(2026, 1, 1)],
         "was trained on as number, row 1 has 2026-01-01 00:00:00"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused(fitted, later, message):
    encoder = TableEncoder().fit({"a": fitted})
    with pytest.raises(DataError, match="^column 'a' " + re.escape(message) + "$"):
        encoder.transform({"a": later})


def test_true_and_false_are_numbers_where_training_had_numbers():
    encoder = TableEncoder().fit({"a": [0, 1, 0]})
    np.testing.assert_array_equal(
        encoder.transform({"a": [True, False]}), encoder.transform({"a": [1, 0]})
    )


@pytest.mark.parametrize("fitted", [[1, 2], [True, False], [datetime(2026, 1, 1), datetime.max]])
def test_a_column_without_a_value_is_missing_whatever_its_kind(fitted):
    encoder = TableEncoder(handle_unknown="ignore").fit({"a": fitted})
    median = encoder.transform({"a": [None]})
    nothing = (np.array([np.nan]), np.array(["NaT"], "datetime64[us]"), np.array([None]))
    for values in nothing:
        np.testing.assert_array_equal(encoder.transform({"a": values}), median)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 2 * LARGEST])
def test_numbers_that_cannot_be_standardised_are_refused(value):
    message = (
        f"column 'a' holds {value:g}, and numbers are standardised up to 1e+150 only: write the "
        "column in a larger unit"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        TableEncoder().fit({"a": [1.0, value]})


def test_the_largest_and_the_smallest_numbers_can_be_standardised():
    for scale in (LARGEST, 5e-324):
        found = TableEncoder().fit_transform({"a": np.array([0.0, scale, scale])})
        assert np.isfinite(found).all()


def test_a_table_without_anything_to_learn_from_is_refused():
    message = (
        "no column can be learned from in 2 rows: 'a': the same value in every row; 'b': no value "
        "in any row"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        TableEncoder().fit({"a": [1, 1], "b": [None, None]})
    with pytest.raises(DataError, match=r"0 sample\(s\)"):
        TableEncoder().fit({"a": []})


@pytest.mark.parametrize(
    "parameters", [{"max_categories": 0}, {"max_categories": 1.5}, {"handle_unknown": "shrug"}]
)
def test_parameters_outside_their_range_are_refused(parameters):
    with pytest.raises(ValueError, match=f"The '{next(iter(parameters))}' parameter"):
        TableEncoder(**parameters).fit(COLOURS)


def test_names_of_inputs_can_be_asked_for_other_names_of_columns():
    encoder = TableEncoder().fit([[1, "x"], [2, "y"]])
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1_x", "x1_y"]
    assert encoder.get_feature_names_out(["a", "b"]).tolist() == ["a", "b_x", "b_y"]
    with pytest.raises(ShapeError, match=r"\(2\), got 1$"):
        encoder.get_feature_names_out(["a"])
    with pytest.raises(ShapeError, match="not equal to feature_names_in_"):
        TableEncoder().fit(COLOURS).get_feature_names_out(["colour", "size"])


def test_fitting_again_forgets_the_names():
    encoder = TableEncoder().fit(COLOURS).fit([[1], [2]])
    assert not hasattr(encoder, "feature_names_in_")
    assert encoder.n_features_in_ == 1


def test_columns_describe_what_they_hold():
    encoder = TableEncoder(max_categories=4).fit(
        {
            "number": [1.0, 2.5, 4.0] * 5,
            "truth": [True, True, False] * 5,
            "few": ["x", "y", "x"] * 5,
            "many": list("aaabbbccddddeef"),
        }
    )
    assert [column.describe_values() for column in encoder.columns_] == [
        "1 to 4, mean 2.5",
        "67% yes",
        "x 10, y 5",
        "d 4, a 3, b 3, 1 more (and 2 rare ones as none of them)",
    ]


def test_learned_columns_that_contradict_themselves_are_broken():
    with pytest.raises(BrokenModelError, match="'a' has statistics"):
        NumberColumn("a", "number", 0.0, 1.0, 0.5, 0.5, 0.0, 0)
    with pytest.raises(BrokenModelError, match="'a' has categories"):
        CategoryColumn("a", ("x", "x"), (1, 1), 0, 0)


def test_set_output_gives_polars_frames_too():
    polars = pytest.importorskip("polars")
    encoder = TableEncoder().set_output(transform="polars")
    found = encoder.fit_transform(polars.DataFrame(COLOURS))
    assert found.columns == encoder.get_feature_names_out().tolist()


def test_a_pandas_frame_keeps_its_index():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(COLOURS, index=[7, 5, 3, 1])
    found = TableEncoder().set_output(transform="pandas").fit_transform(X)
    assert found.index.tolist() == [7, 5, 3, 1]


@pytest.mark.parametrize("copy", [clone, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_keep_the_parameters(copy):
    encoder = TableEncoder(max_categories=5, handle_unknown="ignore").fit(COLOURS)
    assert copy(encoder).get_params() == encoder.get_params()


def test_a_pickled_encoder_gives_the_same_inputs():
    encoder = TableEncoder().fit(COLOURS)
    copy = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(copy.transform(COLOURS), encoder.transform(COLOURS))


def test_a_pipeline_behind_an_encoder_can_be_cross_validated():
    iris = load("iris")
    ours = make_pipeline(TableEncoder(), LogisticRegression())
    theirs = make_pipeline(StandardScaler(), LogisticRegression())
    np.testing.assert_array_equal(
        cross_val_score(ours, iris.X, iris.y), cross_val_score(theirs, iris.X, iris.y)
    )


def test_a_bundled_table_of_numbers_is_standardised():
    wine = load("wine")
    np.testing.assert_allclose(
        TableEncoder().fit_transform(wine), StandardScaler().fit_transform(wine.X), atol=1e-12
    )
