"""Arrays of every kind to runs, against a definition by pixels."""

import numpy as np
import pytest
import runmask
from conftest import as_dict, masks, runs_by_pixels
from hypothesis import given
from hypothesis import strategies as st

VIEWS = {
    "as it is": lambda mask: mask,
    "Fortran": np.asfortranarray,
    "transposed": lambda mask: mask.T,
    "upside down": lambda mask: mask[::-1],
    "mirrored": lambda mask: mask[:, ::-1],
    "turned": lambda mask: mask[::-1, ::-1],
    "crop": lambda mask: mask[1:-1, 2:],
    "step": lambda mask: mask[::2, ::3],
    "backward step": lambda mask: mask[::-2, ::-1],
    "Fortran crop": lambda mask: np.asfortranarray(mask)[1:-1, 1:],
    "one row for all": lambda mask: np.broadcast_to(mask[:1], mask.shape),
    "other byte order": lambda mask: mask.astype(mask.dtype.newbyteorder()),
    "between other fields": lambda mask: fields(mask),
    "not aligned": lambda mask: unaligned(mask),
    "one of many planes": lambda mask: np.stack([mask, mask * 0, mask], axis=2)[:, :, 2],
}


def fields(mask):
    """The mask as a field of records of a size that is no multiple of the labels'."""
    records = np.zeros(mask.shape, [("before", "u1"), ("label", mask.dtype), ("after", "u1")])
    records["label"] = mask
    return records["label"]


def unaligned(mask):
    """The mask one byte further than its type asks for."""
    memory = np.zeros(mask.nbytes + 1, np.uint8)
    moved = memory[1:].view(mask.dtype).reshape(mask.shape)
    moved[...] = mask
    return moved


@pytest.mark.parametrize("view", VIEWS)
@given(mask=masks(), order=st.sampled_from("FC"), background=st.sampled_from([0, None, 3]))
def test_every_layout(view, mask, order, background):
    shown = VIEWS[view](mask)
    before = shown.copy()
    runs = runmask.encode(shown, background=background, order=order)
    assert as_dict(runs) == runs_by_pixels(shown, background, order)
    assert runs.shape == shown.shape
    assert runs.order == order
    assert np.array_equal(shown, before)


@given(masks(dtypes=("u1", "u2", "u4", "u8")), st.sampled_from(["auto", "scalar", "simd"]), st.integers(1, 3))
def test_every_engine_and_number_of_threads(mask, engine, threads):
    assert runmask.encode(mask, engine=engine, threads=threads) == runmask.encode(mask)


def test_the_memory_of_a_view_is_not_copied():
    # A copy of this view would take 2^40 bytes.
    mask = np.broadcast_to(np.uint8(7), (1 << 20, 1 << 20))[: 1 << 14, :: 1 << 6]
    assert as_dict(runmask.encode(mask)) == {7: [[0, 1 << 28]]}


def test_read_only_and_memory_mapped_arrays(tmp_path):
    mask = np.arange(20, dtype=np.uint16).reshape(4, 5) // 3
    expected = runs_by_pixels(mask)
    read_only = mask.copy()
    read_only.flags.writeable = False
    assert as_dict(runmask.encode(read_only)) == expected
    np.save(tmp_path / "mask.npy", mask)
    for mode in ("r", "r+", "c"):
        mapped = np.load(tmp_path / "mask.npy", mmap_mode=mode)
        assert as_dict(runmask.encode(mapped)) == expected
        assert as_dict(runmask.encode(mapped[1:3, ::2])) == runs_by_pixels(mask[1:3, ::2])
    from_bytes = np.frombuffer(mask.tobytes(), np.uint16).reshape(4, 5)
    assert as_dict(runmask.encode(from_bytes)) == expected


def test_lists_and_arrays_of_other_libraries():
    assert as_dict(runmask.encode([[0, 1], [2, 1]])) == {1: [[2, 2]], 2: [[1, 1]]}

    class Array:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    assert as_dict(runmask.encode(Array(np.eye(2, dtype=np.uint8)))) == {1: [[0, 1], [3, 1]]}


def test_a_result_does_not_change_with_the_mask():
    mask = np.eye(3, dtype=np.uint8)
    runs = runmask.encode(mask)
    expected = as_dict(runs)
    mask[:] = 9
    assert as_dict(runs) == expected


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_negative_labels(dtype):
    mask = np.array([[0, 5], [-3, 5]], dtype)
    with pytest.raises(ValueError, match=r"-3 is among them; background=-3"):
        runmask.encode(mask)
    assert as_dict(runmask.encode(mask, background=-3)) == {0: [[0, 1]], 5: [[2, 2]]}
    with pytest.raises(ValueError, match="-3 is among them"):
        runmask.encode(mask, background=-1)
    with pytest.raises(ValueError, match="-3 is among them"):
        runmask.encode(mask.astype(mask.dtype.newbyteorder()))
    with pytest.raises(ValueError, match=r"background: .* is not among the values of"):
        runmask.encode(mask, background=int(np.iinfo(dtype).min) - 1)


def test_any_byte_of_a_bool_but_0_is_true():
    mask = np.array([[0, 1, 2, 2], [1, 0, 255, 0]], np.uint8).view(bool)
    assert as_dict(runmask.encode(mask)) == {1: [[1, 2], [4, 3]]}


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (np.zeros((2, 2)), TypeError, r"not float64.*mask\.astype\(numpy\.uint32\)"),
        (np.zeros((2, 2), object), TypeError, r"not object.*mask\.astype\(numpy\.uint64\)"),
        (np.zeros((2, 2), complex), TypeError, "not complex128"),
        (np.zeros((2, 2), "S3"), TypeError, "not |S3"),
        (np.zeros(3, int), ValueError, r"expected 2 dimensions, found 1 of shape \(3,\)$"),
        (np.zeros((2, 3, 4), int), ValueError, r"found 3 of shape \(2, 3, 4\).*mask\[\.\.\., 0\]"),
        (np.ma.masked_array([[1]], mask=[[True]]), TypeError, r"mask\.filled\(0\)"),
        (7, ValueError, "expected 2 dimensions, found 0"),
    ],
)
def test_what_is_no_mask(mask, error, words):
    with pytest.raises(error, match=words):
        runmask.encode(mask)


@pytest.mark.parametrize(("library", "remedy"), [("cupy", r"mask\.get\(\)"), ("torch", r"mask\.cpu\(\)")])
def test_masks_on_a_graphics_card_are_refused(library, remedy):
    class Array:
        __cuda_array_interface__ = {}

        def __array__(self):
            raise AssertionError("copied silently")

    if library == "torch":
        Array.cpu = lambda self: self
    with pytest.raises(TypeError, match=remedy):
        runmask.encode(Array())

    class Other:
        def __dlpack_device__(self):
            return 10, 0

    with pytest.raises(TypeError, match="another device"):
        runmask.encode(Other())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"order": "column"}, "order: expected 'F'"),
        ({"engine": "fast"}, "`fast` is not the name of an engine"),
        ({"threads": 0}, "threads: at least 1"),
        ({"threads": 99_999}, "threads: at most"),
        ({"background": -1}, "background: -1"),
    ],
)
def test_wrong_options(options, words):
    with pytest.raises(ValueError, match=words):
        runmask.encode(np.zeros((2, 2), np.uint8), **options)


@given(masks(), st.sampled_from("FC"), st.integers(0, 2))
def test_texts_of_competitions(mask, order, base):
    for label, runs in [(None, runs_by_pixels(mask != 0, order=order).get(True, []))] + [
        (label, runs) for label, runs in runs_by_pixels(mask, order=order).items()
    ]:
        text = runmask.mask2rle(mask, label, base=base, order=order)
        assert text == " ".join(f"{start + base} {length}" for start, length in runs)
        back = runmask.rle2mask(text, mask.shape, base=base, order=order)
        assert back.dtype == np.uint8
        assert np.array_equal(back, (mask != 0) if label is None else (mask == label))


def test_texts_that_are_no_runs():
    assert not runmask.rle2mask(float("nan"), (2, 3)).any()
    assert not runmask.rle2mask(None, (2, 3)).any()
    assert np.array_equal(runmask.rle2mask("5 1 1 2", (2, 3)), [[1, 0, 1], [1, 0, 0]])
    for text, words in [
        ("1 x", 'number 2: expected a number from 0 to 2\\^64 - 1, found "x"'),
        ("0 3", 'number 1: expected a start from 1, found "0"'),
        ("1 2 3", "number 4: expected a length, found the end"),
        ("-1", "number 1: "),
    ]:
        with pytest.raises(runmask.FormatError, match=words) as caught:
            runmask.rle2mask(text, (2, 3))
        assert caught.value.place.startswith("number ")
        assert f"expected {caught.value.expected}, found {caught.value.found}" in str(caught.value)
    for text, words in [("1 7", "ends outside the mask"), ("1 2 2 1", "overlap"), ("1 0", "no pixels")]:
        with pytest.raises(ValueError, match=words):
            runmask.rle2mask(text, (2, 3))
    with pytest.raises(TypeError, match="expected starts and lengths as a str, found int"):
        runmask.rle2mask(7, (2, 3))
