"""Categories in an order, as codes for an embedding, and back from inputs to columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from netts import Network, layers
from netts.data import TableEncoder
from netts.data.category_columns import CodedColumn, OrdinalColumn
from netts.errors import (
    BrokenModelError,
    DataError,
    ParameterError,
    ShapeError,
    UnknownColumnError,
    UnknownValueError,
)

ORDER = ["small", "medium", "large"]
SIZES = {"size": ["large", "small", "medium", "small", "small"]}


@given(st.lists(st.sampled_from(ORDER), min_size=2, max_size=20).filter(lambda v: len(set(v)) > 1))
def test_an_order_becomes_places_as_scikit_learn_has_them(values):
    theirs = OrdinalEncoder(categories=[ORDER]).fit_transform(np.array(values)[:, None])
    for scaler, expected in [
        ("none", theirs),
        ("standard", StandardScaler().fit_transform(theirs)),
    ]:
        encoder = TableEncoder(encodings={"x0": ORDER}, scaler=scaler).fit({"x0": values})
        np.testing.assert_allclose(encoder.transform({"x0": values}), expected, atol=1e-12)


def test_an_order_of_numbers_is_one_of_names():
    encoder = TableEncoder(encodings={"a": [10, 2, 1.5]}, scaler="none")
    found = encoder.fit({"a": [1.5, 10.0, 2.0]}).transform({"a": [2.0, 10.0]})
    assert found.tolist() == [[1], [0]]
    assert encoder.transform({"a": ["2", "10"]}).tolist() == [[1], [0]]


def test_what_no_order_knows_is_refused_in_training_and_the_median_later():
    with pytest.raises(
        DataError, match="column 'size' has 'huge', and its order knows only 'small'"
    ):
        TableEncoder(encodings={"size": ORDER}).fit({"size": ["huge", "small"]})
    encoder = TableEncoder(encodings={"size": ORDER}, scaler="none", handle_unknown="error")
    message = "has 'huge' in row 1, which no row trained on had: it counts as 'small', the median"
    with pytest.raises(UnknownValueError, match=message):
        encoder.fit(SIZES).transform({"size": ["large", "huge"]})
    encoder.set_params(handle_unknown="ignore")
    assert encoder.transform({"size": ["large", "huge", None]}).tolist() == [[2], [0], [0]]


def test_a_missing_place_in_an_order_is_marked_where_training_had_some():
    values = ["small", None, "large", "large"]
    encoder = TableEncoder(encodings={"a": ORDER}, scaler="none").fit({"a": values})
    assert encoder.get_feature_names_out().tolist() == ["a", "missingindicator_a"]
    assert encoder.transform({"a": values}).tolist() == [[0, 0], [2, 1], [2, 0], [2, 0]]
    assert encoder.columns_[0].describe_values() == "small 1 < medium 0 < large 2"


def test_codes_leave_zero_for_what_is_not_known():
    values = ["b", "a", None, "b"]
    encoder = TableEncoder(encodings={"a": "embedding"}, handle_unknown="ignore").fit({"a": values})
    assert encoder.transform({"a": ["a", "b", None, "new"]}).tolist() == [[1], [2], [3], [0]]
    assert encoder.n_codes_ == {"a": 4}
    assert encoder.columns_[0].describe_values() == "codes below 4: b 2, a 1"
    encoder.set_params(handle_unknown="error")
    with pytest.raises(UnknownValueError, match="counts as category 0, none of those known"):
        encoder.transform({"a": ["new"]})


def test_numbers_and_texts_that_are_all_different_become_codes_where_asked():
    postal = [8001.0, 3000.0, 8001.0, 1200.0]
    names = [f"Mr {k}" for k in range(30)]
    encoder = TableEncoder(encodings={"a": "embedding"}).fit({"a": postal})
    assert encoder.columns_[0].categories == ("1200", "3000", "8001")
    assert TableEncoder(encodings={"a": "embedding"}).fit({"a": names}).n_codes_ == {"a": 31}
    encoder = TableEncoder(encodings={"a": "one-hot"}).fit({"a": postal})
    assert encoder.get_feature_names_out().tolist() == ["a_1200", "a_3000", "a_8001"]


def test_inputs_of_a_network_that_embeds_are_apart():
    X = {"n": [1.0, 2.0, 3.0], "city": ["b", "a", "b"], "colour": ["red", "red", "blue"]}
    encoder = TableEncoder(encodings={"city": "embedding"}).fit(X)
    inputs = encoder.transform_inputs(X)
    assert {name: array.shape for name, array in inputs.items()} == {
        "numbers": (3, 3),
        "city": (3, 1),
    }
    np.testing.assert_array_equal(inputs["numbers"], encoder.transform(X)[:, [0, 2, 3]])
    network = Network([layers.Embedding(encoder.n_codes_["city"], 2)], np.float64).build(1)
    vectors = network.predict(inputs["city"])
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_inputs_become_columns_again():
    X = {
        "number": np.array([1.0, np.nan, 3.5, 4.0]),
        "date": np.array(["2026-01-01", "2026-03-31T12:30:00.25", "NaT", "2020-02-29"], "M8[us]"),
        "yes": np.array([True, None, False, True], dtype=object),
        "colour": np.array(["red", None, "blue", "red"], dtype=object),
        "size": np.array(["large", "small", "medium", None], dtype=object),
        "city": np.array(["Bern", "Genf", None, "Bern"], dtype=object),
    }
    encoder = TableEncoder(encodings={"size": ORDER, "city": "embedding"}).fit(X)
    again = encoder.inverse_transform(encoder.transform(X))
    assert list(again) == list(X)
    np.testing.assert_allclose(again.pop("number"), X["number"])
    off = again.pop("date") - X["date"]
    assert np.array_equal(np.isnat(off), [False, False, True, False])
    assert abs(off[[0, 1, 3]]).max() < np.timedelta64(1, "ms")
    for name, values in again.items():
        assert values.tolist() == X[name].tolist()
    with pytest.raises(ShapeError, match="the encoder gives 12 inputs, got 2"):
        encoder.inverse_transform([[1.0, 2.0]])


@pytest.mark.parametrize("encoding", ["onehot", ["a"], ["a", "a"], 3, None, []])
def test_encodings_that_do_not_exist_are_refused(encoding):
    with pytest.raises(ParameterError, match="the encoding of column 'size' is 'one-hot', 'embedd"):
        TableEncoder(encodings={"size": encoding}).fit(SIZES)


def test_an_encoding_of_a_column_that_is_not_there_is_refused():
    with pytest.raises(UnknownColumnError, match="encodings names 'sizes', and X has no such"):
        TableEncoder(encodings={"sizes": ORDER}).fit(SIZES)


@pytest.mark.parametrize(
    "make",
    [
        lambda: CodedColumn("a", ("x",), (1, 2), 0, 0),
        lambda: OrdinalColumn("a", ("x", "y"), (1, 1), 0, 0, middle=2, center=0.0, scale=1.0),
        lambda: OrdinalColumn("a", ("x", "y"), (1, 1), 0, 0, middle=0, center=0.0, scale=0.0),
    ],
)
def test_a_column_that_contradicts_itself_is_no_model(make):
    with pytest.raises(BrokenModelError):
        make()
