"""Buffers, views and arenas, with NumPy as the oracle."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netts.devices.memory import (
    ALIGNMENT_BYTES,
    PIECE_ALIGNMENT_BYTES,
    Arena,
    Buffer,
    BufferView,
    Lifetime,
    align,
    allocate,
)
from netts.errors import GraphError, ShapeError

DTYPES = [np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_]
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


def numbered(shape, dtype=np.float64):
    """Return a view of an arena whose elements are 0, 1, 2, ..., and an array that equals it."""
    arena = Arena("numbered")
    arena.reserve((3,), np.uint8)  # so that the piece does not start at 0
    view = arena.reserve(shape, dtype)
    arena.allocate()
    array = np.arange(math.prod(shape)).astype(dtype).reshape(shape)
    view.array[...] = array
    return view, array


def place(array):
    return array.__array_interface__["data"][0]


def assert_same(view, array, start):
    """Compare a view with what NumPy makes of an array whose first element is at `start`."""
    assert isinstance(view, BufferView)
    assert (view.shape, view.ndim, view.size) == (array.shape, array.ndim, array.size)
    assert (view.dtype, view.nbytes) == (array.dtype, array.nbytes)
    np.testing.assert_array_equal(view.array, array)
    if array.size:
        assert view.address == place(view.array)
        assert view.strides == array.strides or 1 in array.shape
        assert view.address - start[0] == place(array) - start[1]


# ------------------------------------------------------------ views


@given(shape=SHAPES, dtype=st.sampled_from(DTYPES))
def test_a_view_reads_and_writes_as_an_array(shape, dtype):
    view, array = numbered(shape, dtype)
    assert_same(view, array, (view.address, place(array)))
    for read in (np.asarray(view), np.asarray(view, copy=False), np.array(view, copy=None)):
        np.testing.assert_array_equal(read, array)
        assert not array.size or place(read) == view.address
        assert not read.flags.writeable
    if array.size:
        view.array[...] = 1
        assert (view.read() == 1).all()


def test_a_copy_as_an_array_has_memory_of_its_own():
    view, array = numbered((3,))
    for copied in (np.array(view), np.asarray(view, dtype=np.float32)):
        copied[...] = -1
        np.testing.assert_array_equal(view.array, array)
    with pytest.raises(ValueError, match="Unable to avoid copy"):
        np.asarray(view, dtype=np.float32, copy=False)


def test_arithmetic_with_arrays_works():
    view, array = numbered((2, 3))
    np.testing.assert_array_equal(np.add(view, array), 2 * array)
    np.testing.assert_array_equal(array @ np.asarray(view).T, array @ array.T)


@st.composite
def keys(draw, shape):
    """A key as NumPy takes it: whole numbers in range and slices with positive steps."""
    key = []
    for extent in shape[: draw(st.integers(0, len(shape)))]:
        ends = st.none() | st.integers(-extent - 2, extent + 2)
        slices = st.builds(slice, ends, ends, st.none() | st.integers(1, 3))
        numbers = st.integers(-extent, extent - 1) if extent else st.nothing()
        key.append(draw(slices | numbers | numbers.map(np.int64)))
    return key[0] if len(key) == 1 and draw(st.booleans()) else tuple(key)


@given(data=st.data(), shape=SHAPES, dtype=st.sampled_from(DTYPES))
def test_slicing_again_and_again_is_numpys(data, shape, dtype):
    view, array = numbered(shape, dtype)
    start = view.address, place(array)
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(keys(view.shape))
        # As an array also where one element is left, of which NumPy makes a number.
        view, array = view[key], array[(*(key if isinstance(key, tuple) else (key,)), ...)]
        assert_same(view, array, start)


@given(data=st.data(), shape=SHAPES)
def test_reshaping_a_contiguous_view_is_numpys(data, shape):
    view, array = numbered(shape)
    start = view.address, place(array)
    wanted = data.draw(
        st.permutations(shape)
        | st.lists(st.integers(-1, 6), max_size=3)
        | st.just([-1])
        | st.just([1, *shape, 1])
        | st.integers(1, 4).map(lambda n: [n, -1])
    )
    try:
        expected = array.reshape(wanted)
    except ValueError:
        with pytest.raises(ShapeError, match="cannot be reshaped"):
            view.reshape(*wanted)
    else:
        assert_same(view.reshape(*wanted), expected, start)


@pytest.mark.parametrize("shape", [(-2,), (-2, -2), (-1, -1), (4, -3), (0, -1)])
def test_extents_below_zero_are_refused_but_for_one_that_is_open(shape):
    view, _ = numbered((4,))
    for some in (view, view[:0], view[:1]):
        with pytest.raises(ShapeError, match="cannot be reshaped"):
            some.reshape(*shape)


@given(data=st.data(), shape=SHAPES)
def test_a_slice_is_reshaped_where_and_only_where_it_has_no_gaps(data, shape):
    view, array = numbered(shape)
    start = view.address, place(array)
    key = data.draw(keys(shape))
    view, array = view[key], array[(*(key if isinstance(key, tuple) else (key,)), ...)]
    if array.flags.c_contiguous:
        assert_same(view.reshape(-1), array.reshape(-1), start)
    else:
        with pytest.raises(ShapeError, match=r"a view with gaps, of shape .* cannot be reshaped"):
            view.reshape(-1)


@pytest.mark.parametrize("index", [3, -4, (0, 2), (0, -3)])
def test_an_index_out_of_bounds_is_refused(index):
    view, _ = numbered((3, 2))
    with pytest.raises(IndexError, match="is out of bounds for an axis of"):
        view[index]


@pytest.mark.parametrize("key", [1.0, "1", None, ..., [0, 1]])
def test_keys_of_other_kinds_are_refused(key):
    view, _ = numbered((3, 2))
    with pytest.raises(TypeError):
        view[key]


def test_keys_that_make_no_such_view_are_refused():
    view, _ = numbered((3, 2))
    with pytest.raises(ShapeError, match=r"3 subscripts for a view of shape \(3, 2\)"):
        view[0, 0, 0]
    with pytest.raises(ShapeError, match="positive steps only"):
        view[::-1]


def test_a_view_can_be_iterated_and_has_a_length():
    view, array = numbered((3, 2))
    assert len(view) == 3
    assert [row.array.tolist() for row in view] == array.tolist()


# ------------------------------------------------------------ buffers


def test_a_buffer_without_memory_says_so_by_name():
    view = BufferView.over(Buffer("activation", 24, Lifetime.TRANSIENT), (3,), float)
    assert not view.buffer.is_attached
    for use in (lambda: view.array, lambda: view.address, lambda: np.asarray(view[1:])):
        with pytest.raises(GraphError, match="buffer 'activation' has no memory yet; it gets it"):
            use()


def test_a_buffer_is_attached_once_and_by_memory_of_its_size():
    buffer = Buffer("weights", 16, Lifetime.VARIABLE)
    for size in (15, 17, 0):
        with pytest.raises(GraphError, match=f"buffer 'weights' has 16 bytes, not {size}"):
            buffer.attach(np.zeros(size, np.uint8))
    memory = allocate(16)
    buffer.attach(memory)
    assert buffer.address == place(memory)
    with pytest.raises(GraphError, match="buffer 'weights' has memory already and cannot move"):
        buffer.attach(allocate(16))
    assert buffer.address == place(memory)


@given(st.integers(0, 5000))
def test_memory_is_zeroed_and_aligned(n):
    memory = allocate(n)
    assert memory.nbytes == n
    assert n == 0 or place(memory) % ALIGNMENT_BYTES == 0
    assert not memory.any()


@given(st.integers(0, 10**9), st.sampled_from([1, 64, 256]))
def test_align_gives_the_next_multiple(n, alignment):
    found = align(n, alignment)
    assert found % alignment == 0
    assert n <= found < n + alignment


@pytest.mark.parametrize("shape", [(-1,), (2, -3)])
def test_no_view_has_a_negative_extent(shape):
    with pytest.raises(ShapeError, match=r"cannot have shape \("):
        BufferView.over(Buffer("b", 0, Lifetime.VARIABLE), shape, float)
    with pytest.raises(ShapeError, match=r"a view of buffer 'a' cannot have shape \("):
        Arena("a").reserve(shape, float)


# ------------------------------------------------------------ copies


def through_pickle(protocol):
    return lambda value: pickle.loads(pickle.dumps(value, protocol))


def through_read_only_memory(value):
    """As joblib's memory maps do: the array's memory is not part of the pickle."""
    pieces = []
    text = pickle.dumps(value, 5, buffer_callback=pieces.append)
    return pickle.loads(text, buffers=[bytes(one.raw()) for one in pieces])


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle 2": through_pickle(2),
    "pickle 5": through_pickle(5),
    "pickle out of band": through_read_only_memory,
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_view_has_memory_of_its_own(how):
    view, array = numbered((4, 6), np.float32)
    part = view[1:, ::2]
    found = COPIES[how](part)
    np.testing.assert_array_equal(found.array, array[1:, ::2])
    assert found.address == place(found.array) != part.address
    assert found.address % PIECE_ALIGNMENT_BYTES == part.address % PIECE_ALIGNMENT_BYTES
    found.array[...] = -1
    np.testing.assert_array_equal(view.array, array)
    assert (found.array == -1).all()


@pytest.mark.parametrize("how", COPIES)
def test_views_copied_together_share_memory_as_before(how):
    view, array = numbered((4, 6))
    whole, row = COPIES[how]((view, view[2]))
    row.array[...] = -1
    array[2] = -1
    np.testing.assert_array_equal(whole.array, array)
    assert view.array[2, 0] == 12


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_buffer_without_memory_has_none(how):
    graph_view = BufferView.over(Buffer("later", 24, Lifetime.TRANSIENT), (3,), float)
    found = COPIES[how](graph_view)
    assert not found.buffer.is_attached
    found.buffer.attach(allocate(24))
    assert found.array.tolist() == [0, 0, 0]
    assert not graph_view.buffer.is_attached


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_an_arena_keeps_places_and_contents(how):
    arena = Arena("weights")
    first, second = arena.reserve((3,), np.float32), arena.reserve((2,), np.float64)
    arena.allocate()
    second.array[...] = 7
    copied, piece = COPIES[how]((arena, second))
    assert (copied.nbytes, piece.offset) == (arena.nbytes, second.offset)
    assert copied.flat(np.float64).array[-8:].tolist() == [7, 7, 0, 0, 0, 0, 0, 0]
    copied.flat(np.uint8).array[...] = 0
    assert second.array.tolist() == [7, 7]
    assert first.array.tolist() == [0, 0, 0]


# ------------------------------------------------------------ arenas


@given(st.lists(st.tuples(SHAPES, st.sampled_from(DTYPES)), max_size=8))
def test_pieces_lie_in_order_aligned_and_apart(reservations):
    arena = Arena("pieces")
    views = [arena.reserve(shape, dtype) for shape, dtype in reservations]
    end = 0
    for view, (shape, dtype) in zip(views, reservations, strict=True):
        assert (view.shape, view.dtype) == (shape, dtype)
        assert view.offset == align(end, PIECE_ALIGNMENT_BYTES)
        end = view.offset + view.nbytes
    assert arena.nbytes == align(end, PIECE_ALIGNMENT_BYTES)
    assert arena.allocate() is arena
    assert arena.nbytes == 0 or arena.buffer.address % ALIGNMENT_BYTES == 0
    for number, view in enumerate(views):
        assert not view.array.any()  # nothing that was written before reaches here
        view.array[...] = number + 1
    for number, (view, (_, dtype)) in enumerate(zip(views, reservations, strict=True)):
        assert (view.array == np.array(number + 1, dtype)).all()


def test_the_vector_of_an_arena_has_all_pieces_and_zeros_between():
    arena = Arena("weights")
    first, second = arena.reserve((3,), np.float32), arena.reserve((2, 2), np.float32)
    flat = arena.flat(np.float32)
    arena.allocate()
    first.array[...] = 1
    second.array[...] = 2
    assert flat.array.tolist() == [1.0] * 3 + [0.0] * 13 + [2.0] * 4 + [0.0] * 12
    flat.array[...] = 5
    assert first.array.tolist() == [5, 5, 5]


def test_a_range_of_an_arena_is_a_vector_too():
    arena = Arena("weights")
    first, second = arena.reserve((16,), np.float32), arena.reserve((16,), np.float32)
    arena.allocate()
    second.array[...] = 2
    assert arena.flat(np.float32, second.offset).array.tolist() == [2.0] * 16
    assert arena.flat(np.float32, stop=second.offset).array.tolist() == [0.0] * 16
    assert arena.flat(np.float32, 56, 72).array.tolist() == [0, 0, 2, 2]
    assert arena.flat(np.float32, 64, 64).shape == (0,)
    assert first.array.tolist() == [0.0] * 16


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 132), (-4, 64), (64, 60), (132, None), (2, 64), (0, 63)]
)
def test_a_vector_stays_inside_the_arena_and_has_whole_elements(start, stop):
    arena = Arena("weights")
    arena.reserve((32,), np.float32)
    message = "of arena 'weights', which has 128, are no vector of float32"
    with pytest.raises(ShapeError, match=message):
        arena.flat(np.float32, start, stop)


def test_an_allocated_arena_is_closed():
    arena = Arena("weights")
    arena.reserve((3,), np.float32)
    assert repr(arena) == "Arena('weights', 64 bytes, open)"
    arena.allocate()
    assert repr(arena) == "Arena('weights', 64 bytes, allocated)"
    with pytest.raises(GraphError, match="arena 'weights' is allocated; reserve before that"):
        arena.reserve((1,), np.float32)
    with pytest.raises(GraphError, match="has memory already and cannot move"):
        arena.allocate()
    assert arena.nbytes == 64


def test_an_empty_arena_can_be_allocated():
    arena = Arena("nothing").allocate()
    assert arena.nbytes == 0
    assert arena.flat(np.float32).array.shape == (0,)
