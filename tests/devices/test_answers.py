"""Results on a GPU: who takes them, how long they live, and what they say of themselves."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from fake_foreign import DlpackArray, InterfaceArray, Library
from fake_gpu import FakeGpu

from netts.devices.answers import DeviceAnswer, in_kind
from netts.devices.foreign import device_array


@pytest.fixture(params=[DlpackArray, InterfaceArray])
def library(request, fake_gpu: FakeGpu) -> Library:
    return Library(fake_gpu, kind=request.param)


def answer_beside(array, shape):
    view = device_array(array).view()
    return view, DeviceAnswer.beside(view, shape)


def test_an_answer_is_taken_by_the_library_without_a_copy(library, fake_gpu):
    array = library.asarray(np.ones((2, 3)))
    _, answer = answer_beside(array, (4,))
    answer.wait()
    fake_gpu.taken()
    taken = in_kind(answer, array)
    assert type(taken) is library.kind
    assert (taken.shape, taken.dtype) == ((4,), np.float64)
    assert taken.address == answer.view.buffer.mirror.address
    assert fake_gpu.taken() == []


def test_an_answer_outlives_the_input_and_frees_its_memory(library, fake_gpu):
    array = library.asarray(np.ones((2, 3)))
    view, answer = answer_beside(array, (1000,))
    answer.wait()
    taken = in_kind(answer, array)
    del array, view, answer
    gc.collect()
    assert fake_gpu.allocated_bytes >= 8000
    assert taken.shape == (1000,)
    del taken
    gc.collect()
    assert not [one for one in fake_gpu.blocks.values() if not one.is_pinned]


class Unknown:
    """An array of a library without `from_dlpack`."""


def test_an_answer_is_given_as_it_is_where_a_library_takes_none(library):
    _, answer = answer_beside(library.asarray(np.ones(3)), (2, 2))
    assert in_kind(answer, Unknown()) is answer
    interface = answer.__cuda_array_interface__
    assert interface["shape"] == (2, 2)
    assert interface["data"] == (answer.view.buffer.mirror.address, False)
    assert (interface["typestr"], interface["stream"]) == ("<f8", None)
    assert answer.__dlpack_device__() == (2, 0)


def test_an_answer_is_not_copied_elsewhere(library):
    _, answer = answer_beside(library.asarray(np.ones(3)), (2,))
    for asked in ({"copy": True}, {"dl_device": (1, 0)}):
        with pytest.raises(BufferError, match="lies on the GPU 0"):
            answer.__dlpack__(**asked)
