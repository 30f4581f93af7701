"""runmask.coco beside pycocotools.mask."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import runmask
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from pycocotools import mask as theirs
from runmask import coco as ours

DATA = Path(os.environ.get("RUNMASK_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))

stacks = st_numpy.arrays(
    np.uint8,
    st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5)),
    elements=st.integers(0, 1),
)


def discs(count, side, seed=1):
    """Masks of a disc or two each, in Fortran order."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    masks = np.zeros((side, side, count), np.uint8, order="F")
    for index in range(count):
        for _ in range(random.integers(1, 3)):
            row, column, radius = random.integers(side), random.integers(side), random.integers(1, side // 3)
            masks[:, :, index] |= (rows - row) ** 2 + (columns - column) ** 2 < radius**2
    return masks


@given(stacks, st.sampled_from("FCK"), st.sampled_from([np.uint8, bool, np.int64]))
def test_encode(stack, order, dtype):
    expected = theirs.encode(np.asfortranarray(stack))
    assert ours.encode(stack.astype(dtype, order=order)) == expected
    assert ours.encode(np.ascontiguousarray(stack[:, :, 0]).astype(dtype, order=order)) == expected[0]
    assert ours.encode(stack[::-1, ::2].astype(dtype)) == theirs.encode(np.asfortranarray(stack[::-1, ::2]))


@given(st.lists(st.integers(1, 200), max_size=12), st.booleans(), st.sampled_from([1, 2, 255]))
def test_one_long_column(lengths, first, value):
    # Edges at every place of the blocks that are looked at at once.
    column = np.concatenate([[], *(np.full(length, (index + first) % 2) for index, length in enumerate(lengths))])
    mask = column.astype(np.uint8)[:, np.newaxis] * np.uint8(value)
    assume(mask.size)
    assert ours.encode(mask) == theirs.encode(np.asfortranarray(mask != 0).view(np.uint8))


@given(stacks)
def test_decode_area_and_boxes(stack):
    rles = theirs.encode(np.asfortranarray(stack))
    decoded = ours.decode(rles)
    assert np.array_equal(decoded, stack) and decoded.dtype == np.uint8 and decoded.flags.f_contiguous
    assert np.array_equal(ours.decode(rles[0]), stack[:, :, 0])
    for function in ("area", "toBbox"):
        all_of_ours, all_of_theirs = getattr(ours, function)(rles), getattr(theirs, function)(rles)
        assert np.array_equal(all_of_ours, all_of_theirs) and all_of_ours.dtype == all_of_theirs.dtype
        one_of_ours, one_of_theirs = getattr(ours, function)(rles[0]), getattr(theirs, function)(rles[0])
        assert np.array_equal(one_of_ours, one_of_theirs) and one_of_ours.dtype == one_of_theirs.dtype
    text = [{**rle, "counts": rle["counts"].decode()} for rle in rles]
    assert np.array_equal(ours.decode(text), stack)


@given(stacks, st.booleans())
def test_merge(stack, intersect):
    rles = theirs.encode(np.asfortranarray(stack))
    assert ours.merge(rles, intersect) == theirs.merge(rles, intersect)
    assert ours.merge(rles[:1]) == rles[0]


@pytest.mark.parametrize("longest", [3, 70, 700, 1500])
def test_merge_of_runs_of_all_lengths(longest):
    # Many in few pixels, so that the union is made of bits.
    random = np.random.default_rng(longest)
    height = 40 * longest
    for _ in range(20):
        masks = []
        for _ in range(12):
            lengths = random.integers(1, longest + 1, height)
            ends = np.zeros(height + 1, np.uint8)
            places = np.cumsum(lengths * random.choice([1, 3], height))
            ends[places[places < height]] = 1
            masks.append(np.cumsum(ends)[:-1] % 2)
        stack = np.asfortranarray(np.stack(masks, axis=1)[:, np.newaxis].astype(np.uint8))
        assert ours.merge(theirs.encode(stack)) == theirs.encode(np.asfortranarray(stack.any(axis=2)).view(np.uint8))


@given(stacks, st.integers(0, 5), st.data())
def test_iou(stack, cut, data):
    rles = theirs.encode(np.asfortranarray(stack))
    detections, truths = rles[:cut], rles[cut:]
    crowd = data.draw(st.lists(st.integers(0, 1), min_size=len(truths), max_size=len(truths)))
    expected, found = theirs.iou(detections, truths, crowd), ours.iou(detections, truths, crowd)
    assert type(found) is type(expected)
    assert np.array_equal(found, expected)


boxes = st.lists(st.lists(st.floats(-5, 30, width=32), min_size=4, max_size=4), min_size=1, max_size=6)


@given(boxes, boxes, st.data())
def test_iou_of_boxes(detections, truths, data):
    sized = lambda boxes: [[x, y, abs(width), abs(height)] for x, y, width, height in boxes]
    detections, truths = sized(detections), sized(truths)
    crowd = data.draw(st.lists(st.integers(0, 1), min_size=len(truths), max_size=len(truths)))
    expected = theirs.iou(detections, truths, crowd)
    assert np.array_equal(ours.iou(detections, truths, crowd), expected)
    assert np.array_equal(ours.iou(np.array(detections), np.array(truths), crowd), expected)


@given(boxes, st.integers(1, 25), st.integers(1, 25))
def test_boxes_are_filled_alike(boxes, height, width):
    expected = theirs.frPyObjects(np.array(boxes), height, width)
    assert ours.frPyObjects(boxes, height, width) == expected
    assert ours.frPyObjects(np.array(boxes), height, width) == expected
    assert ours.frPyObjects(boxes[0], height, width) == expected[0]
    assert ours.frBbox(boxes, height, width) == expected


coordinates = st.one_of(st.integers(-4, 30).map(float), st.floats(-4, 30, width=32))
rings = st.lists(coordinates, min_size=3, max_size=7).flatmap(
    lambda xs: st.lists(coordinates, min_size=len(xs), max_size=len(xs)).map(
        lambda ys: [number for point in zip(xs, ys) for number in point]
    )
)


@given(st.lists(rings, min_size=1, max_size=4), st.integers(1, 25), st.integers(1, 25))
def test_polygons_are_filled_alike(polygons, height, width):
    points = [{(x, y) for x, y in zip(ring[::2], ring[1::2])} for ring in polygons]
    assume(all(len(of_ring) >= 3 for of_ring in points))
    expected = theirs.frPyObjects(polygons, height, width)
    assert ours.frPyObjects(polygons, height, width) == expected
    assert ours.frPyObjects(polygons[0], height, width) == expected[0]


@given(stacks)
def test_uncompressed_counts(stack):
    height, width = stack.shape[:2]
    uncompressed = []
    for rle in theirs.encode(np.asfortranarray(stack)):
        flat = theirs.decode(rle).ravel(order="F")
        edges = np.flatnonzero(np.diff(flat)) + 1
        counts = np.diff([0, *edges, flat.size]).tolist()
        uncompressed.append({"size": [height, width], "counts": [0, *counts] if flat[0] else counts})
    expected = theirs.frPyObjects(uncompressed, height, width)
    assert ours.frPyObjects(uncompressed, height, width) == expected
    assert ours.frPyObjects(uncompressed[0], height, width) == expected[0]
    assert np.array_equal(ours.area(uncompressed), theirs.area(expected))


def test_many_masks():
    masks = discs(300, 200)
    rles = theirs.encode(masks)
    assert ours.encode(masks) == rles
    assert ours.encode(np.ascontiguousarray(masks)) == rles
    assert np.array_equal(ours.decode(rles), masks)
    assert ours.merge(rles) == theirs.merge(rles)
    # Few runs in many pixels are merged in another way.
    sparse = [{"size": [1 << 12, 1 << 12], "counts": [index, 1, (1 << 24) - index - 1]} for index in (0, 5, 6, 1 << 20)]
    compressed = theirs.frPyObjects(sparse, 1 << 12, 1 << 12)
    assert ours.merge(sparse) == theirs.merge(compressed)
    assert ours.merge(rles[:3], True) == theirs.merge(rles[:3], True)
    assert np.array_equal(ours.iou(rles[:150], rles[150:], [0] * 150), theirs.iou(rles[:150], rles[150:], [0] * 150))
    assert np.array_equal(ours.toBbox(rles), theirs.toBbox(rles))
    # pycocotools fails with numpy 2 here.
    assert ours.area(rles).tolist() == masks.sum(axis=(0, 1)).tolist()


def test_real_files():
    files = sorted(DATA.glob("runs/coco_*results*.json")) + sorted(DATA.glob("runs/*coco*.json"))
    if not files and os.environ.get("RUNMASK_REQUIRE_DATA"):
        pytest.fail(f"no COCO files in {DATA}")
    seen = 0
    for file in files:
        content = json.loads(file.read_text())
        annotations = content.get("annotations", [content]) if isinstance(content, dict) else content
        for annotation in annotations:
            rle = annotation.get("segmentation") if isinstance(annotation, dict) else None
            if not isinstance(rle, dict) or not isinstance(rle.get("counts"), str):
                continue
            assert ours.area(rle) == theirs.area(rle)
            assert np.array_equal(ours.toBbox(rle), theirs.toBbox(rle))
            assert np.array_equal(ours.decode(rle), theirs.decode(rle))
            assert ours.encode(theirs.decode(rle)) == {**rle, "counts": rle["counts"].encode()}
            seen += 1
    assert seen > 100 or not files


def test_positions_past_32_bits():
    # pycocotools keeps counts and differences in 32 bits: 2^29 is where its text goes wrong, 2^32 where its counts do.
    for height, width in [(1 << 16, 1 << 14), (1 << 17, 1 << 16)]:
        pixels = height * width
        uncompressed = {"size": [height, width], "counts": [pixels - 3, 2, 1]}
        rle = ours.frPyObjects(uncompressed, height, width)
        assert ours.area(rle) == 2
        assert ours.toBbox(rle).tolist() == [width - 1, height - 3, 1, 2]
        whole = ours.frPyObjects({"size": [height, width], "counts": [0, pixels]}, height, width)
        assert int(ours.area(whole)) == pixels
        assert ours.area(whole).dtype == (np.uint32 if pixels < 2**32 else np.uint64)
        assert ours.iou([rle], [whole], [0])[0, 0] == 2 / pixels
        assert ours.merge([rle, whole]) == whole


def test_damaged_encodings():
    for counts, words in [
        ("1", r"encoding 0: expected counts that sum to 6 pixels \(height 2 x width 3\), found a sum of 1"),
        ("\x7f", "encoding 0, byte 0 of its counts"),
        ([7], "found a sum of 7"),
    ]:
        for function in (ours.decode, ours.area, ours.toBbox):
            with pytest.raises(runmask.FormatError, match=words):
                function({"size": [2, 3], "counts": counts})
    for wrong in ({"size": [2, 3]}, {"size": 7, "counts": "6"}, {"size": [2, 3], "counts": 7.5}):
        with pytest.raises(TypeError):
            ours.area(wrong)
    with pytest.raises(ValueError, match="several sizes"):
        ours.merge([{"size": [2, 3], "counts": [6]}, {"size": [3, 2], "counts": [6]}])
    with pytest.raises(TypeError, match="not float64"):
        ours.encode(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="one truth value for each of 1"):
        ours.iou([[0, 0, 1, 1]], [[0, 0, 1, 1]], [])
    with pytest.raises(TypeError, match="encodings in both or boxes in both"):
        ours.iou([[0, 0, 1, 1]], [{"size": [2, 3], "counts": [6]}], [0])


def test_nothing():
    assert ours.encode(np.zeros((2, 3, 0), np.uint8)) == []
    assert ours.iou([], [], []) == []
    assert ours.frPyObjects([], 2, 3) == []
    assert ours.encode(np.zeros((0, 0), np.uint8))["size"] == [0, 0]
    assert ours.area([]).shape == (0,)
    assert ours.toBbox([]).shape == (0, 4)
