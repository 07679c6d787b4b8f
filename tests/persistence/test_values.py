"""Values to JSON and arrays and back: what comes back is what went in, or nothing goes in."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netts.errors import BrokenModelError, UnknownClassError, UnsavableError
from netts.persistence.annotations import conforms
from netts.persistence.decoding import decode
from netts.persistence.encoding import encode
from netts.persistence.forms import DTYPES, MAX_TEXT_BYTES


@dataclass(frozen=True)
class Layer:
    units: int = 3
    rate: float = 0.5
    inner: Layer | None = None
    more: Any = None


@dataclass
class Counted:
    names: list[str]
    length: int = field(init=False, default=0)

    def __post_init__(self):
        self.length = len(self.names)
        if "bad" in self.names:
            raise ZeroDivisionError("bad")


def ramp(x):
    return x


REGISTRY = {"Layer": Layer, "Counted": Counted, "ramp": ramp}

finite_text = st.text(st.characters(), max_size=8)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**298), 10**298), st.floats(), finite_text
)


@st.composite
def number_arrays(draw):
    shape = numpy_strategies.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    dtype = np.dtype(draw(st.sampled_from(list(DTYPES))))
    array = draw(numpy_strategies.arrays(dtype, shape))
    change = draw(st.sampled_from(["", "transpose", "reverse", "other byte order", "read only"]))
    if change == "transpose":
        return array.T
    if change == "reverse" and array.ndim:
        return array[::-1]
    if change == "other byte order":
        return array.astype(dtype.newbyteorder())
    if change == "read only":
        array.flags.writeable = False
    return array


@st.composite
def item_arrays(draw, items, dtype):
    listed = draw(st.lists(items, max_size=6))
    array = np.empty(len(listed), dtype=dtype)
    array[:] = listed
    return array.reshape(draw(st.sampled_from([(len(listed),), (1, -1), (-1, 1)])))


leaves = st.one_of(
    scalars,
    number_arrays(),
    item_arrays(finite_text, "<U8"),
    item_arrays(scalars, object),
    st.sampled_from([np.dtype("float32"), np.float16, np.bool, bool, int, float, ramp]),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.sampled_from(["a", "a.b", "b", "$", "é", ""]) | finite_text, inner),
        st.builds(Layer, st.integers(), st.floats() | st.integers(), more=inner),
        st.builds(Counted, st.lists(st.just("x"), max_size=3)),
    ),
    max_leaves=12,
)


def same(one, other):
    """Equality that sees types, dtypes and NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        if one.dtype.kind == "O":
            items = zip(one.ravel(), other.ravel(), strict=True)
            return one.shape == other.shape and all(same(*pair) for pair in items)
        return (one.shape, one.dtype.newbyteorder("=")) == (other.shape, other.dtype) and (
            one.astype(other.dtype).tobytes() == other.tobytes()
        )
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return same(vars(one), vars(other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other) if isinstance(one, float) else one == other


def there_and_back(value, registry=REGISTRY, **keywords):
    encoded = encode(value, registry, **keywords)
    content = json.loads(json.dumps(encoded.content, allow_nan=False))
    return decode(content, encoded.arrays, {**registry, **encoded.own})


@given(values)
def test_a_value_comes_back_as_it_was(value):
    assert same(value, there_and_back(value))


def test_numpy_numbers_become_pythons():
    value = [np.float32(0.5), np.int8(3), np.bool(True), np.str_("a"), np.float64("nan")]
    assert same(there_and_back(value), [0.5, 3, True, "a", float("nan")])


def test_half_a_surrogate_pair_is_text_too():
    value = {"\ud800": np.array([1.0]), "b": "\udfff"}
    assert same(there_and_back(value), value)


def test_arrays_are_called_by_their_place():
    value = {"a": {"b": [np.zeros(1), np.ones(1)]}, "a.b": (np.zeros(2),)}
    assert list(encode(value, {}).arrays) == ["a.b.0", "a.b.1", "a.b.0~2"]
    assert "__metadata__" not in encode({"__metadata__": np.zeros(1)}, {}).arrays


def test_a_memory_map_is_an_array(tmp_path):
    array = np.memmap(tmp_path / "array", np.float32, "w+", shape=(3,))
    assert type(there_and_back(array)) is np.ndarray


def test_the_state_of_random_numbers_goes_on():
    state = np.random.RandomState(3)
    state.normal(size=5)
    other = there_and_back(state)
    np.testing.assert_array_equal(state.normal(size=700), other.normal(size=700))


def test_a_field_that_is_computed_is_not_stored():
    content = encode(Counted(["a"]), REGISTRY).content
    assert content == {"$": "object", "class": "Counted", "fields": {"names": ["a"]}}


def test_a_field_with_a_default_may_be_missing_in_an_older_file():
    assert decode({"$": "object", "class": "Layer", "fields": {}}, {}, REGISTRY) == Layer()


def test_an_open_registry_names_what_it_lacks():
    encoded = encode([Layer(more=ramp)], {}, is_open=True)
    assert encoded.own == {"Layer": Layer, "ramp": ramp}


def looped():
    one: list[Any] = []
    one.append(one)
    return one


class Plain:
    units = 3


class Pair(tuple):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, r"a.0 is \{1, 2\} of class set, which a model file cannot hold; objects"),
        (b"abc", r"a.0 is b'abc' of class bytes"),
        (1j, "a.0 is 1j of class complex"),
        (Plain(), "Plain, which a model file cannot hold; objects of your own are d"),
        (Plain, "a.0 is the class Plain: pass an object of it"),
        (lambda x: x, "a.0 is <lambda>, which has no name to find it by: write it with def"),
        (print, "a.0 is <built-in function print>"),
        (Pair(), "a.0 is a Pair: a file holds lists, tuples and dicts only"),
        ({3: 4}, "a.0 has the key 3: the keys of a file are texts"),
        ({"b": np.zeros(2, complex)}, "a.0.b has dtype complex128: arrays have bool, int8"),
        (np.zeros(2, "M8[s]"), r"a.0 has dtype datetime64\[s\]"),
        (np.array([3, [4]], object), r"a.0.1 is \[4\] of class list"),
        (np.ma.zeros(2), "a.0 is a MaskedArray: a file holds plain arrays only"),
        (np.array([""], f"U{MAX_TEXT_BYTES // 4 + 1}"), "shorten it, or use dtype object"),
        (np.dtype("M8[s]"), r"a.0 is the dtype datetime64\[s\]"),
        (np.random.default_rng(0), r"a.0 is Generator.* of class Generator, which"),
        (np.random.RandomState(np.random.PCG64(0)), "a.0 is a RandomState over PCG64, not MT19937"),
        (10**299, "a.0 is a whole number of 300 digits or more"),
        (looped(), "lies more than 64 values deep, or holds itself"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_by_name(value, message):
    with pytest.raises(UnsavableError, match=message):
        encode({"a": [value]}, REGISTRY, is_open=True)


def test_a_closed_registry_refuses_other_classes():
    with pytest.raises(UnsavableError, match=r"Layer'>, which a model file cannot hold"):
        encode(Layer(), {})


def test_two_classes_of_one_name_are_refused():
    other = dataclasses.make_dataclass("Layer", [])
    for values, registry in (([Layer(), other()], {}), ([other()], REGISTRY)):
        with pytest.raises(UnsavableError, match=r"which has the name of .*: rename it"):
            encode(values, registry, is_open=True)


def one(**parts):
    return {"$": parts.pop("form"), **parts}


KEY = {"$": "array", "name": "key"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (float("inf"), "the model is a number too large for a float"),
        ({"a": [{"$": "nothing"}]}, "a.0 is of the unknown form 'nothing'"),
        ({"$": ["tuple"]}, r"unknown form \['tuple'\]"),
        (one(form="tuple"), r"is of form 'tuple' with \[\], not \['items'\]"),
        (one(form="tuple", items={}), "has {} for list"),
        (one(form="float", text="1"), "is '1', not one of nan, inf, -inf"),
        (one(form="array", name="b"), "is the array 'b', which is not there, or used twice"),
        (one(form="array", name=[]), "for str"),
        (one(form="text array", items=["ab"], shape=[1], width=1), "longer than its width, 1"),
        (one(form="text array", items=["a"], shape=[2], width=1), r"has shape \[2\], but 1 items"),
        (one(form="text array", items=["a"], shape=[-1], width=1), r"has shape \[-1\]"),
        (one(form="text array", items=[""], shape=[1], width=10**9), "take 4,000,000,000 bytes"),
        (one(form="text array", items=[], shape=[0, 10**30], width=1), "has shape"),
        (one(form="text array", items=[], shape=[0], width=2**64), "would take 73,786,976,294,8"),
        (one(form="text array", items=[3], shape=[1], width=1), r"for list\[str\]"),
        (one(form="text array", items=[], shape=[0], width=0), "longer than its width, 0"),
        (one(form="object array", items=[[]], shape=[1]), r"0 has \[\] for"),
        (one(form="object array", items=[1] * 4, shape=[2] * 65), "has shape"),
        (one(form="dtype", name="O"), "is 'O', not one of bool, int8"),
        (one(form="type", name="eval"), "is 'eval', not one of bool, int, float"),
        (one(form="random state", key=KEY, position=625, has_gauss=0, gauss=0.0), "MT19937"),
        (one(form="random state", key=KEY, position=0, has_gauss=2, gauss=0.0), "0 or 1, not 2"),
        (one(form="function", name="Layer"), "is the class Layer, not a function"),
        (one(form="object", **{"class": "ramp"}, fields={}), "object of ramp, which is no datac"),
        (one(form="object", **{"class": "Counted"}, fields={}), "is a Counted without 'names'"),
        (one(form="object", **{"class": "Layer"}, fields={"size": 3}), "with 'size', which it has"),
        (
            one(form="object", **{"class": "Layer"}, fields={"units": 3.5}),
            "units is int in",
        ),
        (one(form="object", **{"class": "Layer"}, fields={"units": True}), "units is int in a L"),
        (one(form="object", **{"class": "Counted"}, fields={"names": ["bad"]}), "no Counted: bad"),
        ("x" * 10**6, "the model is no int"),
    ],
)
def test_content_that_lies_is_refused_by_name(content, message):
    arrays = {"key": np.zeros(624, np.uint32)} if "random" in str(content) else {}
    with pytest.raises(BrokenModelError, match=message) as caught:
        decode(content, arrays, REGISTRY, int)
    assert len(str(caught.value)) < 600


def test_a_long_lie_is_cut_short():
    content = {"$": "object", "class": "Layer", "fields": {"units": "x" * 10**6}}
    with pytest.raises(BrokenModelError) as caught:
        decode(content, {}, REGISTRY)
    assert len(str(caught.value)) < 600


def test_nesting_has_a_limit():
    content: Any = 3
    for _ in range(65):
        content = [content]
    with pytest.raises(BrokenModelError, match="lies more than 64 values deep"):
        decode(content, {}, {})


def test_long_keys_around_many_values_take_no_square_of_time():
    content = {"x" * 10**6: {"y" * 10**6: list(range(10**5))}}
    assert same(decode(content, {}, {}), content)


def test_each_array_is_used_once():
    twice = [{"$": "array", "name": "a"}] * 2
    with pytest.raises(BrokenModelError, match="1 is the array 'a', which is not there, or used"):
        decode(twice, {"a": np.zeros(1)}, {})
    with pytest.raises(BrokenModelError, match="array 'b' belongs to nothing"):
        decode(twice[:1], {"a": np.zeros(1), "b": np.zeros(1)}, {})


def test_a_class_that_is_not_registered_is_never_looked_for():
    content = {"$": "object", "class": "os.system", "fields": {}}
    with pytest.raises(UnknownClassError, match=r"is made by 'os.system', which netts does not"):
        decode({"a": content}, {}, REGISTRY)
    with pytest.raises(UnknownClassError, match=r"netts.load\(path, custom=\[Scale\]\)"):
        decode({"$": "function", "name": "Scale"}, {}, REGISTRY)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (3, int, True),
        (True, int, False),
        (True, float, False),
        (3, float, True),
        (3.0, int, False),
        (None, None, True),
        (None, int | None, True),
        ("a", int | None, False),
        ("a", Literal["a", "b"], True),
        (1, Literal[True], False),
        ([1, 2.0], list[float], True),
        ([1, "a"], list[float], False),
        ((1, 2), tuple[int, ...], True),
        ((1, 2), tuple[int], False),
        ({"a": 1}, dict[str, int], True),
        ({"a": "b"}, dict[str, int], False),
        (np.zeros(1), np.ndarray, True),
        ([1], np.ndarray, False),
        (np.dtype("i4"), np.dtype, True),
        ("anything", Any, True),
    ],
)
def test_annotations_decide(value, hint, expected):
    assert conforms(value, hint) is expected
