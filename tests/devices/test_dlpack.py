"""Capsules of DLPack: what others' say, and what others make of ours."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from netts.devices import dlpack
from netts.devices.dlpack import CPU, Layout
from netts.errors import DataError

DTYPES = ("bool", "int8", "uint8", "int32", "int64", "float16", "float32", "float64", "complex64")


def address_of(array):
    return array.__array_interface__["data"][0]


class Lender:
    """An array that gives itself away by our capsules."""

    def __init__(self, array):
        self.array = array

    def __dlpack_device__(self):
        return CPU, 0

    def __dlpack__(self, **_):
        array = self.array
        layout = Layout(address_of(array), array.shape, array.dtype, array.strides, (CPU, 0))
        return dlpack.make(layout, self)


@given(st.data(), st.sampled_from(DTYPES), arrays.array_shapes(min_dims=0, min_side=0))
def test_what_numpy_lends_is_read_as_it_lies(data, dtype, shape):
    array = np.zeros(shape, dtype)
    if array.ndim:
        keys = st.tuples(*[st.sampled_from([slice(None), slice(None, None, -2)]) for _ in shape])
        array = array[data.draw(keys)].T
    capsule = array.__dlpack__()
    found = dlpack.read(capsule)
    assert (found.shape, found.dtype, found.device) == (array.shape, array.dtype, (CPU, 0))
    if array.size:
        assert found.address == address_of(array)
        steps = zip(found.strides, array.strides, array.shape, strict=True)
        assert all(one == other for one, other, n in steps if n > 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_takes_what_is_lent(dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)[:, ::2]
    taken = np.from_dlpack(Lender(array))
    np.testing.assert_array_equal(taken, array)
    assert np.shares_memory(taken, array)


def test_pytorch_takes_and_gives_back_what_is_lent():
    torch = pytest.importorskip("torch")
    lender = Lender(np.arange(6.0).reshape(2, 3))
    is_alive, before = weakref.ref(lender), len(dlpack._lent)
    taken = torch.from_dlpack(lender)
    del lender
    gc.collect()
    part = taken[1]
    del taken
    assert part.tolist() == [3.0, 4.0, 5.0]
    assert is_alive() is not None
    del part
    gc.collect()
    assert is_alive() is None
    assert len(dlpack._lent) == before


def test_what_nobody_takes_is_given_back():
    lender = Lender(np.zeros(3))
    is_alive = weakref.ref(lender)
    capsule = lender.__dlpack__()
    del lender
    gc.collect()
    assert is_alive() is not None
    del capsule
    gc.collect()
    assert is_alive() is None


def test_elements_without_a_dtype_of_numpy_are_refused():
    torch = pytest.importorskip("torch")
    capsule = torch.zeros(3, dtype=torch.bfloat16).__dlpack__()
    with pytest.raises(DataError, match=r"16 bits of DLPack's kind 4, .*convert it to float32"):
        dlpack.read(capsule)
