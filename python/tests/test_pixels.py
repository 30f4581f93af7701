"""The escape-key codec, beside a loop over pixels."""

import numpy as np
import pytest
import runmask
from hypothesis import given
from hypothesis import strategies as st


def records_by_pixels(picture):
    """Each run of equal pixels in records of at most 255."""
    records = bytearray()
    flat = [bytes(pixel) for pixel in picture.reshape(-1, 4)]
    start = 0
    for place in range(1, len(flat) + 1):
        if place == len(flat) or flat[place] != flat[start]:
            count = place - start
            while count:
                records += b"\xff\xff\0\0" + flat[start] + bytes([min(count, 255)])
                count -= min(count, 255)
            start = place
    return bytes(records)


@st.composite
def pictures(draw):
    height, width = draw(st.integers(0, 5)), draw(st.integers(0, 9))
    colours = np.array([[0, 0, 0, 0], [255, 255, 0, 0], [1, 2, 3, 4]], np.uint8)
    picture = colours[np.array(draw(st.lists(st.integers(0, 2), min_size=height * width, max_size=height * width)), int)]
    return picture.reshape(height, width, 4).repeat(draw(st.sampled_from([1, 130])), axis=1)


VIEWS = {
    "as it is": lambda picture: picture,
    "Fortran": np.asfortranarray,
    "turned": lambda picture: picture[::-1, ::-1],
    "step": lambda picture: picture[::2, ::3],
    "planes": lambda picture: np.ascontiguousarray(picture.transpose(2, 0, 1)).transpose(1, 2, 0),
}


@given(pictures(), st.sampled_from(sorted(VIEWS)))
def test_records(picture, view):
    shown = VIEWS[view](picture)
    records = runmask.pixels.encode(shown)
    assert records == records_by_pixels(shown)
    for given_as in (records, bytearray(records), memoryview(records)):
        back = runmask.pixels.decode(given_as, shown.shape[:2])
        assert back.dtype == np.uint8 and np.array_equal(back, shown)
    swapped = runmask.pixels.encode(shown, channel_order="bgra")
    assert swapped == runmask.pixels.encode(shown[..., [2, 1, 0, 3]])
    assert np.array_equal(runmask.pixels.decode(swapped, shown.shape[:2], channel_order="bgra"), shown)


def test_what_is_wrong():
    records = runmask.pixels.encode(np.zeros((2, 3, 4), np.uint8))
    for damaged, shape, words in [
        (records[:-1], (2, 3), "byte 0: expected a record of 9 bytes"),
        (records, (2, 2), "counts that sum to 4 pixels"),
        (records, (2, 4), "8 pixels"),
        (b"\1" + records[1:], (2, 3), "the key 255 255 0 0"),
    ]:
        with pytest.raises(runmask.FormatError, match=words) as caught:
            runmask.pixels.decode(damaged, shape)
        assert caught.value.place
    for picture, error, words in [
        (np.zeros((2, 3, 4)), TypeError, "expected uint8, found float64"),
        (np.zeros((2, 3, 3), np.uint8), ValueError, r"found \(2, 3, 3\)"),
        (np.zeros((2, 3), np.uint8), ValueError, r"found \(2, 3\)"),
    ]:
        with pytest.raises(error, match=words):
            runmask.pixels.encode(picture)
    with pytest.raises(ValueError, match="channel_order: expected 'rgba' or 'bgra'"):
        runmask.pixels.encode(np.zeros((2, 3, 4), np.uint8), channel_order="argb")
