"""The class Runs: its arrays, its manners, and decoding."""

import copy
import gc
import pickle
import time

import numpy as np
import pytest
import runmask
from conftest import as_dict, masks, runs_by_pixels
from hypothesis import assume, given
from hypothesis import strategies as st

MASK = np.array([[0, 3, 3, 0], [9, 3, 9, 9]], np.uint8)


def test_arrays():
    runs = runmask.encode(MASK)
    assert (runs.labels.dtype, runs.offsets.dtype, runs.runs.dtype) == (np.uint64, np.int64, np.uint64)
    assert runs.labels.tolist() == [3, 9]
    assert runs.offsets.tolist() == [0, 1, 4]
    assert runs.runs.tolist() == [[2, 3], [1, 1], [5, 1], [7, 1]]
    assert (len(runs), runs.shape, runs.order, runs.area) == (2, (2, 4), "F", 6)
    assert repr(runs) == "Runs(labels=2, runs=4, shape=(2, 4), order='F')"
    assert runs[9].tolist() == [[1, 1], [5, 1], [7, 1]]
    assert 3 in runs and np.uint64(9) in runs
    assert 0 not in runs and -1 not in runs and "3" not in runs and 2**64 not in runs
    for label in (0, 4, -1, "3"):
        with pytest.raises(KeyError, match=str(label)):
            runs[label]


def test_arrays_are_read_only_views():
    runs = runmask.encode(MASK)
    for array in (runs.labels, runs.offsets, runs.runs, runs[9]):
        assert not array.flags.writeable
        with pytest.raises(ValueError):
            array.flags.writeable = True
    assert np.shares_memory(runs.runs, runs.runs)
    assert np.shares_memory(runs[9], runs.runs)
    # A view keeps the memory that it shows.
    array, expected = runs.runs, runs.runs.copy()
    del runs
    gc.collect()
    [np.ones(64, np.uint64) for _ in range(1000)]
    assert np.array_equal(array, expected)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 2)])
def test_no_labels(shape):
    runs = runmask.encode(np.zeros(shape, np.uint8))
    assert (runs.labels.shape, runs.offsets.tolist(), runs.runs.shape) == ((0,), [0], (0, 2))
    assert list(runs) == [] and len(runs) == 0
    assert np.array_equal(runs.decode(), np.zeros(shape))
    assert pickle.loads(pickle.dumps(runs)) == runs


@given(masks(), st.sampled_from("FC"), st.integers(0, 5))
def test_pickle_copy_and_equality(mask, order, protocol):
    runs = runmask.encode(mask, order=order)
    again = pickle.loads(pickle.dumps(runs, protocol))
    assert again == runs and not again != runs
    assert (again.shape, again.order) == (runs.shape, runs.order)
    assert copy.copy(runs) is runs and copy.deepcopy(runs) is runs
    rebuilt = runmask.Runs(runs.labels, runs.offsets, runs.runs, shape=runs.shape, order=runs.order)
    assert rebuilt == runs
    assert runs != as_dict(runs)
    with pytest.raises(TypeError):
        hash(runs)
    with pytest.raises(TypeError):
        runs < again


def test_pickle_passes_buffers_out_of_band():
    runs = runmask.encode(np.arange(1 << 16, dtype=np.uint16).reshape(256, 256), background=None)
    buffers = []
    data = pickle.dumps(runs, 5, buffer_callback=buffers.append)
    assert len(data) < 1000
    assert sum(len(buffer.raw()) for buffer in buffers) < runs.runs.nbytes / 2
    assert pickle.loads(data, buffers=buffers) == runs


@given(st.data(), st.integers(0, 3000))
def test_what_is_pickled_is_what_comes_back(data, count):
    """Numbers of every length, labels with no run and with many, runs that touch."""
    random = np.random.default_rng(count)
    few = lambda size: np.sort(random.choice(200, size, replace=False)).astype(np.uint64)
    labels = np.unique(np.concatenate([few(min(count, 100)), 2 ** random.integers(0, 64, count % 60, dtype=np.uint64)]))
    counts = random.integers(0, 40, len(labels)) if len(labels) else np.zeros(0, int)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    gaps = (2 ** random.integers(0, 57, (offsets[-1], 2))).astype(np.uint64) - (random.random((offsets[-1], 2)) < 0.5)
    gaps[:, 1] = np.maximum(gaps[:, 1], 1)
    runs = [np.cumsum(gaps[a:b].ravel(), dtype=np.uint64).reshape(-1, 2) for a, b in zip(offsets, offsets[1:])]
    pairs = [np.stack([ends[:, 1] - gaps[a:b, 1], gaps[a:b, 1]], axis=1) for ends, a, b in zip(runs, offsets, offsets[1:])]
    made = runmask.Runs(labels, offsets, np.concatenate([np.zeros((0, 2), np.uint64), *pairs]))
    assert pickle.loads(pickle.dumps(made, data.draw(st.integers(0, 5)))) == made


def test_a_pickle_of_many_blocks_and_one_of_a_label():
    count = 300_000
    runs = np.stack([np.arange(count, dtype=np.uint64) * 3, np.ones(count, np.uint64)], axis=1)
    for labels in (1, 7, 1000, count):
        offsets = np.linspace(0, count, labels + 1).astype(np.int64)
        made = runmask.Runs(np.arange(labels) * 5, offsets, runs, shape=(3 * count, 1), order="C")
        again = pickle.loads(pickle.dumps(made))
        assert again == made and (again.shape, again.order) == (made.shape, made.order)


def test_a_damaged_pickle_is_an_error():
    runs = runmask.encode(np.arange(9, dtype=np.uint8).reshape(3, 3) % 4)
    restore, (packed,) = runs.__reduce__()
    assert restore(packed) == runs
    for size in range(len(packed)):
        with pytest.raises(ValueError):
            restore(packed[:size])
    with pytest.raises(ValueError, match="damaged"):
        restore(np.append(packed, np.uint8(0)))
    for place in range(len(packed)):
        for value in (0, 1, 127, 128, 255):
            other = packed.copy()
            other[place] = value
            try:
                assert isinstance(restore(other), runmask.Runs)
            except ValueError:
                pass
    # A header that promises more runs than there are bytes.
    with pytest.raises(ValueError, match="damaged"):
        restore(np.array([0, 1, 1, 255, 255, 255, 255, 255, 127, 4, 1, 1, 0, 1], np.uint8))


@pytest.mark.parametrize(
    ("lists", "error", "words"),
    [
        (([2, 1], [0, 1, 2], [[0, 1], [1, 1]]), ValueError, "labels must ascend"),
        (([1], [0, 1], [[0, 0]]), ValueError, "no pixels"),
        (([1], [0, 2], [[0, 2], [1, 1]]), ValueError, "without overlap"),
        (([1], [0, 1], [[5, 2]]), ValueError, "outside the mask"),
        (([1], [0], [[0, 1]]), ValueError, "one more"),
        (([1], [1, 1], [[0, 1]]), ValueError, "from 0"),
        (([1], [0, 1], [0, 1]), ValueError, r"expected the shape \(n, 2\)"),
        (([[1]], [0, 1], [[0, 1]]), ValueError, r"labels: expected the shape \(n,\)"),
        (([-1], [0, 1], [[0, 1]]), ValueError, "labels: expected numbers from 0"),
        (([1.5], [0, 1], [[0, 1]]), TypeError, "labels: expected integers, found float64"),
    ],
)
def test_lists_that_are_no_runs(lists, error, words):
    with pytest.raises(error, match=words):
        runmask.Runs(*lists, shape=(2, 3))


@given(masks(), st.sampled_from("FC"), st.sampled_from([None, "u8", "i8", "same"]))
def test_decode(mask, order, dtype):
    runs = runmask.encode(mask, order=order)
    dtype = mask.dtype if dtype == "same" else dtype
    if dtype == "i8" and mask.size and int(mask.max()) >= 2**63:
        return
    back = runs.decode(dtype)
    assert np.array_equal(back, mask)
    largest = int(mask.max()) if mask.size else 0
    assert back.dtype == (np.min_scalar_type(largest) if dtype is None else np.dtype(dtype))
    assert back.flags.c_contiguous


OUTS = {
    "C": lambda shape, dtype: np.full(shape, 77, dtype),
    "Fortran": lambda shape, dtype: np.full(shape, 77, dtype, order="F"),
    "crop": lambda shape, dtype: np.full((shape[0] + 2, shape[1] + 3), 77, dtype)[1:-1, 2:-1],
    "step": lambda shape, dtype: np.full((shape[0] * 2, shape[1] * 3), 77, dtype)[::2, ::3],
    "Fortran step": lambda shape, dtype: np.full((shape[0] * 2, shape[1] * 3), 77, dtype, order="F")[::2, ::3],
    "upside down": lambda shape, dtype: np.full(shape, 77, dtype)[::-1],
}


@given(masks(dtypes=("u1", "i2", "u4", "i8")), st.sampled_from(sorted(OUTS)), st.sampled_from("FC"))
def test_decode_into_an_array(mask, kind, order):
    out = OUTS[kind](mask.shape, mask.dtype)
    around = None if out.base is None else out.base.copy()
    assert runmask.encode(mask, order=order).decode(out=out) is out
    assert np.array_equal(out, mask)
    if around is not None and kind == "crop":
        expected = around
        expected[1:-1, 2:-1] = mask
        assert np.array_equal(out.base, expected)


def test_an_array_in_fortran_order_takes_no_longer():
    # Row after row, each pixel of which is in a page of its own, takes ten times as long.
    runs = runmask.Runs([1], [0, 1], [[5, 1]], shape=(4096, 4096))
    times = {}
    for order in "CF" * 5:
        out = np.ones(runs.shape, np.uint16, order=order)
        started = time.perf_counter()
        runs.decode(out=out)
        times[order] = min(time.perf_counter() - started, times.get(order, 1))
    assert times["F"] < 4 * times["C"], times


def test_decode_over_a_background():
    runs = runmask.encode(MASK)
    assert np.array_equal(runs.decode(background=5), np.where(MASK == 0, 5, MASK))
    assert runs.decode(background=70_000).dtype == np.uint32
    with pytest.raises(ValueError, match="9 is the background"):
        runs.decode(background=9)


def test_decoding_that_cannot_be():
    runs = runmask.encode(MASK)
    for dtype, error, words in [
        ("float32", TypeError, "not float32"),
        (">u2", TypeError, "byte order"),
        (bool, ValueError, "label 9 does not fit bool"),
    ]:
        with pytest.raises(error, match=words):
            runs.decode(dtype)
    large = runmask.encode(np.array([[0, 300, 128]]))
    for dtype, words in [("u1", "300 does not fit uint8, whose largest is 255"), ("i1", "300 does not fit int8")]:
        with pytest.raises(ValueError, match=words):
            large.decode(dtype)
    read_only = np.zeros((2, 4), np.uint8)
    read_only.flags.writeable = False
    for out, error, words in [
        (np.zeros((4, 2), np.uint8), ValueError, r"expected the shape \(2, 4\), found \(4, 2\)"),
        ([[0] * 4] * 2, TypeError, "expected a numpy array, found list"),
        (np.zeros((2, 4)), TypeError, "not float64"),
        (read_only, ValueError, "read-only"),
    ]:
        with pytest.raises(error, match=words):
            runs.decode(out=out)
    with pytest.raises(TypeError, match="out has a dtype of its own"):
        runs.decode("u1", np.zeros((2, 4), np.uint8))
    with pytest.raises(ValueError, match="height and width must be known"):
        runmask.Runs([1], [0, 1], [[0, 1]]).decode()
    with pytest.raises(ValueError, match=r"overlaps.*row 1, column 0"):
        runmask.Runs([1, 2], [0, 1, 2], [[0, 2], [1, 1]], shape=(2, 2)).decode()


@given(masks(dtypes=("u1", "i2", "u4", "i8", "?")), st.sampled_from(sorted(OUTS)), st.sampled_from("FC"), st.data())
def test_erase(mask, kind, order, data):
    runs = runmask.encode(mask, order=order)
    some = [int(label) for label in runs.labels if data.draw(st.booleans())]
    background = data.draw(st.integers(0, 1))
    out = OUTS[kind](mask.shape, mask.dtype)
    out[:] = mask
    around = None if out.base is None else out.base.copy()
    expected = np.where(np.isin(mask, some), mask.dtype.type(background), mask)
    assert runs.select(some).erase(out, background) is out
    assert np.array_equal(out, expected)
    if around is not None and kind == "crop":
        around[1:-1, 2:-1] = expected
        assert np.array_equal(out.base, around)


def test_erasing_takes_any_labels_and_runs_of_many_lines():
    for order in "FC":
        overlap = runmask.Runs([1, 2], [0, 1, 2], [[3, 20], [1, 5]], shape=(7, 5), order=order)
        for out in (np.full((7, 5), 9), np.full((14, 5), 9)[::2]):
            expected = np.full(35, 9)
            expected[1:23] = 4
            assert np.array_equal(overlap.erase(out, 4).ravel(order=order), expected)


def test_erasing_that_cannot_be():
    runs = runmask.encode(MASK)
    read_only = MASK.copy()
    read_only.flags.writeable = False
    for out, background, error, words in [
        (np.zeros((4, 2), np.uint8), 0, ValueError, r"mask: expected the shape \(2, 4\), found \(4, 2\)"),
        (MASK.tolist(), 0, TypeError, "mask: expected a numpy array, found list"),
        (MASK.astype(float), 0, TypeError, "not float64"),
        (read_only, 0, ValueError, "mask: the array is read-only"),
        (MASK.copy(), 256, ValueError, "256 does not fit uint8"),
        (MASK.astype(np.int8), 128, ValueError, "128 does not fit int8"),
    ]:
        before = np.array(out)
        with pytest.raises(error, match=words):
            runs.erase(out, background)
        assert np.array_equal(out, before)
    with pytest.raises(ValueError, match="height and width must be known"):
        runmask.Runs([1], [0, 1], [[0, 1]]).erase(MASK.copy())


@given(masks(dtypes=("u2",)))
def test_regionprops_agree(mask):
    from skimage.measure import regionprops_table

    runs = runmask.encode(mask)
    # scikit-image fails for masks without pixels.
    assume(mask.size)
    table = regionprops_table(mask.astype(np.int64), properties=("label", "area"))
    assert runs.labels.tolist() == table["label"].tolist()
    assert [int(of_label[:, 1].sum()) for _, of_label in runs] == table["area"].tolist()
    assert as_dict(runs) == runs_by_pixels(mask)


def test_arrays_that_begin_at_any_byte():
    runs = runmask.encode(MASK)
    odd = [
        np.frombuffer(b"." + array.tobytes(), array.dtype, offset=1).reshape(array.shape)
        for array in (runs.labels, runs.offsets, runs.runs)
    ]
    assert not odd[0].flags.aligned
    assert runmask.Runs(*odd, shape=runs.shape, order=runs.order) == runs
