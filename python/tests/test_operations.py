"""The verbs of Runs against numpy, scikit-image and pandas."""

import numpy as np
import pandas
import pyarrow
import pytest
import runmask
from conftest import as_dict, masks
from hypothesis import assume, given
from hypothesis import strategies as st

small = masks(dtypes=("u1",))
orders = st.sampled_from("FC")


def small_labels(mask):
    """The same mask with labels 0 to 9."""
    return mask % np.uint8(10)


@given(masks(dtypes=("u2", "i4")), orders)
def test_measures_are_those_of_scikit_image(mask, order):
    from skimage.measure import regionprops_table

    assume(mask.any())
    properties = ("label", "area", "bbox", "centroid", "extent", "equivalent_diameter_area", "axis_major_length",
                  "eccentricity", "orientation", "euler_number", "area_convex", "solidity")
    compact = np.searchsorted(np.unique(mask[mask != 0]), mask, side="right") * (mask != 0)
    expected = regionprops_table(compact, properties=properties)
    found = runmask.encode(mask, order=order).measure(properties)
    assert list(found) == list(expected)
    assert found.pop("label").tolist() == np.unique(mask[mask != 0]).tolist()
    for name, column in found.items():
        if name == "orientation":
            # Of shapes without a longer axis the angle means nothing.
            told = expected["eccentricity"] > 1e-3
            column, wanted = np.sin(2 * column[told]), np.sin(2 * expected[name][told])
        else:
            wanted = expected[name]
        np.testing.assert_allclose(column, wanted, rtol=1e-6, atol=1e-6, err_msg=name)


def test_measures_have_types_and_units():
    runs = runmask.encode(np.array([[0, 7, 7], [0, 7, 0]]))
    table = runs.measure()
    assert list(table) == ["label", "area", "bbox-0", "bbox-1", "bbox-2", "bbox-3", "centroid-0", "centroid-1"]
    assert table["area"].dtype == np.uint64 and table["centroid-0"].dtype == np.float64
    assert runs.measure(["area"], pixel_size=0.5)["area_um2"].tolist() == [0.75]
    assert runs.measure(["area"], pixel_size=(0.5, 2.0))["area_um2"].tolist() == [3.0]
    pandas.DataFrame(table)
    for arguments, words in [
        ({"properties": ["colour"]}, "`colour` is not the name of a property"),
        ({"connectivity": 6}, "`6` is not the name of a connectivity"),
        ({"pixel_size": -1.0}, "greater than 0"),
    ]:
        with pytest.raises(ValueError, match=words):
            runs.measure(**arguments)


@given(small, orders, st.data())
def test_windows(mask, order, data):
    height, width = mask.shape
    row, column = data.draw(st.integers(0, height)), data.draw(st.integers(0, width))
    tall, wide = data.draw(st.integers(0, height - row)), data.draw(st.integers(0, width - column))
    runs = runmask.encode(mask, order=order)
    part = mask[row : row + tall, column : column + wide]
    assert runs.crop(row, column, tall, wide) == runmask.encode(part, order=order)
    assert np.array_equal(runs.decode(window=(row, column, tall, wide)), part)
    out = np.full(part.shape, 77, np.int32, order="F")
    assert np.array_equal(runs.decode(out=out, window=(row, column, tall, wide)), part)
    with pytest.raises(ValueError, match="outside the mask"):
        runs.decode(window=(row, column, height + 1, 1))


@given(small, orders, st.integers(-4, 4), st.integers(-4, 4))
def test_moves(mask, order, down, right):
    runs = runmask.encode(mask, order=order)
    room = np.pad(mask, 4)
    height, width = mask.shape
    moved = room[4 - down : 4 - down + height, 4 - right : 4 - right + width]
    assert runs.shift(down, right) == runmask.encode(moved, order=order)
    assert runs.pad(1, 2, 3, 4) == runmask.encode(np.pad(mask, ((1, 3), (2, 4))), order=order)
    assert runs.place(4, 4, room.shape) == runmask.encode(room, order=order)


@given(small, orders)
def test_labels(mask, order):
    mask = small_labels(mask)
    runs = runmask.encode(mask, order=order)
    assert runs.select([3, 1, 200]) == runmask.encode(np.where(np.isin(mask, [1, 3]), mask, 0), order=order)
    assert runs.select([]) == runmask.encode(mask * 0, order=order)
    table = np.arange(10)
    table[[2, 3, 4]] = [8, 0, 5]
    assert runs.relabel({2: 8, 3: None, 4: 5}) == runmask.encode(table[mask], order=order)
    sequential = np.searchsorted(np.unique([0, *mask.flat]), mask)
    assert runs.relabel() == runmask.encode(sequential, order=order)
    assert as_dict(runs.foreground(3)).get(3, []) == as_dict(runmask.encode((mask != 0) * 3, order=order)).get(3, [])
    other = "C" if order == "F" else "F"
    assert runs.to_order(other) == runmask.encode(mask, order=other)


@given(small, orders, orders, st.data())
def test_sets(mask, order, other_order, data):
    mask = small_labels(mask)
    other = np.where(data.draw(st.booleans()), mask[::-1], mask[:, ::-1])
    one, two = runmask.encode(mask, order=order), runmask.encode(other, order=other_order)
    operations = {
        "|": (one | two, lambda a, b: a | b),
        "&": (one & two, lambda a, b: a & b),
        "-": (one - two, lambda a, b: a & ~b),
        "^": (one ^ two, lambda a, b: a ^ b),
    }
    for found, operation in operations.values():
        assert found.order == order
        for label in range(1, 10):
            expected = operation(mask == label, other == label)
            binary = found.select([label]).decode(bool) if label == 1 else found.select([label]).relabel().decode(bool)
            assert np.array_equal(binary, expected)
    with pytest.raises(TypeError):
        one | mask
    with pytest.raises(ValueError, match="shape"):
        one | runmask.encode(np.zeros((99, 1), np.uint8))


@given(masks(side=20), orders, st.integers(1, 7), st.integers(1, 7), st.randoms())
def test_blocks_are_merged_to_the_whole(mask, order, tall, wide, random):
    height, width = mask.shape
    parts = [
        runmask.encode_block(mask[row : row + tall, column : column + wide], (row, column), mask.shape, order=order)
        for row in range(0, height, tall)
        for column in range(0, width, wide)
    ]
    assume(parts)
    random.shuffle(parts)
    half = len(parts) // 2
    whole = runmask.encode(mask, order=order)
    assert runmask.merge(parts) == whole
    if half:
        assert runmask.merge(iter([runmask.merge(parts[:half]), runmask.merge(parts[half:])])) == whole


def test_blocks_that_do_not_fit():
    block = np.ones((2, 2), np.uint8)
    for origin in [(-1, 0), (0, 3), (2, 0)]:
        with pytest.raises(ValueError, match="outside the mask"):
            runmask.encode_block(block, origin, (3, 4))
    part = runmask.encode_block(block, (0, 0), (3, 4))
    with pytest.raises(ValueError, match="a mask holds one label a pixel|overlap"):
        runmask.merge([part, part])
    with pytest.raises(ValueError, match="shape"):
        runmask.merge([part, runmask.encode(block)])
    with pytest.raises(TypeError):
        runmask.merge([block])
    assert len(runmask.merge([])) == 0


@given(masks(), orders, st.randoms())
def test_tables(mask, order, random):
    runs = runmask.encode(mask, order=order)
    frame, arrow = runs.to_pandas(), runs.to_arrow()
    assert list(frame.columns) == arrow.column_names == ["label", "start", "length"]
    assert (frame.dtypes == np.uint64).all()
    assert arrow.to_pandas().equals(frame)
    assert frame.groupby("label")[["start", "length"]].apply(lambda rows: rows.to_numpy().tolist()).to_dict() == as_dict(
        runs
    ) or len(runs) == 0
    shuffled = frame.sample(frac=1, random_state=random.randrange(1000)).assign(other=1.5)
    for table in (frame, shuffled, arrow, pyarrow.Table.from_pandas(shuffled)):
        assert runmask.from_table(table, shape=mask.shape, order=order) == runs


def test_tables_that_are_no_runs():
    good = {"label": [1, 1], "start": [0, 2], "length": [2, 1]}
    assert as_dict(runmask.from_table(good)) == {1: [[0, 3]]}
    assert as_dict(runmask.from_table({**good, "length": [0, 1]})) == {1: [[2, 1]]}
    for table, words in [
        ({**good, "length": [3, 1]}, "overlap"),
        ({**good, "length": [1]}, "one length"),
        ({**good, "start": [-1, 2]}, "start: expected numbers from 0"),
        ({"label": [1], "start": [0]}, "none called 'length'"),
        ({**good, "start": [0, 6]}, "outside the mask"),
    ]:
        with pytest.raises(ValueError, match=words):
            runmask.from_table(table, shape=(2, 3))
    with pytest.raises(TypeError, match="start: expected integers, found float64"):
        runmask.from_table({**good, "start": [0.0, 2.0]})
    with pytest.raises(ValueError, match=r"none called 'label'"):
        runmask.from_table(pandas.DataFrame({"a": [1]}))


@given(masks(dtypes=("u1",)), orders, st.sampled_from([4, 8]), st.booleans())
def test_components_are_those_of_scikit_image(mask, order, connectivity, binary):
    from skimage.measure import label

    assume(mask.size)
    mask = small_labels(mask)
    runs = runmask.encode(mask, order=order)
    found, sources = runs.components(connectivity, binary, return_sources=True)
    # scikit-image numbers pieces along the rows, we down the columns.
    expected = label((mask != 0 if binary else mask).T, connectivity=connectivity // 4, background=0).T
    assert np.array_equal(found.decode(expected.dtype), expected)
    pixels = found.decode()
    assert sources.tolist() == [1 if binary else int(mask[pixels == piece][0]) for piece in found.labels]
    areas = {int(piece): int((pixels == piece).sum()) for piece in found.labels}
    large = runs.components(connectivity, binary, min_area=3)
    assert sorted(large.measure(["area"])["area"].tolist()) == sorted(area for area in areas.values() if area >= 3)


@given(masks(), orders, st.sampled_from([None, 0, 1]), st.booleans(), st.sampled_from([4, 8]))
def test_arrays_are_measured_and_taken_apart(mask, order, background, binary, connectivity):
    def same(one, two):
        assert list(one) == list(two)
        assert all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)

    runs = runmask.encode(mask, background=background)
    same(runmask.measure(mask, background=background), runs.measure())
    properties = ("area", "perimeter", "holes")
    same(
        runmask.measure(mask, properties, 0.5, background=background, connectivity=connectivity, threads=1),
        runs.measure(properties, 0.5, connectivity=connectivity),
    )
    runs = runs.to_order(order)
    for options in ({}, {"min_area": 3}, {"fill_holes": 2}, {"largest": True}):
        options = {**options, "connectivity": connectivity, "binary": binary}
        found, sources = runmask.components(mask, **options, background=background, order=order, return_sources=True)
        expected = runs.components(**options, return_sources=True)
        assert (found, sources.tolist()) == (expected[0], expected[1].tolist())
        assert runmask.components(mask, **options, background=background, order=order) == found


@given(masks(), st.sampled_from([("f", "runs"), ("f", "f"), ("runs", "f"), ("file", "f"), ("file", "file"), ("runs", "file")]))
def test_runs_arrays_and_files_compare_alike(tmp_path_factory, mask, kinds):
    other = np.roll(mask, 1, axis=0)[:, ::-1]
    one, two = runmask.encode(mask), runmask.encode(other, order="C")

    def given_as(kind, name, mask, runs):
        if kind == "file" and mask.size:
            path = tmp_path_factory.mktemp("masks") / f"{name}.npy"
            np.save(path, mask)
            return runmask.open(path)
        return runs if kind == "runs" else np.asfortranarray(mask)

    first, second = given_as(kinds[0], "one", mask, one), given_as(kinds[1], "two", other, two)
    assert np.array_equal(runmask.overlaps(first, second), runmask.overlaps(one, two))
    assert runmask.compare(first, second, [0.5]) == runmask.compare(one, two, [0.5])


@given(masks(), st.sampled_from([np.ascontiguousarray, np.asfortranarray, lambda mask: np.repeat(mask, 2, 1)[:, ::2]]), st.integers(0, 5))
def test_small_labels_are_removed(mask, lay_out, min_area):
    mask = lay_out(mask)
    labels, areas = np.unique(mask, return_counts=True)
    expected = np.where(np.isin(mask, labels[areas < min_area]), 0, mask).astype(mask.dtype)
    before = mask.copy(order="K")
    found = runmask.remove_small(mask, min_area, threads=1)
    assert found.dtype == mask.dtype and np.array_equal(found, expected) and np.array_equal(mask, before)
    for out in (np.ones_like(before), before):
        assert runmask.remove_small(before, min_area, out=out) is out
        assert np.array_equal(out, expected)


def test_small_labels_of_all_kinds_of_arrays():
    mask = np.array([[-1, 7, 7], [5, 7, -1]])
    assert runmask.remove_small(mask, 2, background=-1).tolist() == [[-1, 7, 7], [-1, 7, -1]]
    assert runmask.remove_small([[0, 7, 7], [5, 7, 0]], 2).tolist() == [[0, 7, 7], [0, 7, 0]]
    swapped = runmask.remove_small(np.array([[0, 7, 7], [300, 7, 0]], ">u4"), 2)
    assert (swapped.tolist(), swapped.dtype) == ([[0, 7, 7], [0, 7, 0]], np.dtype("u4"))
    true = np.array([[False, True]])
    assert runmask.remove_small(true, 2, out=true).tolist() == [[False, False]]
    with pytest.raises(ValueError, match="but -1 is among them"):
        runmask.remove_small(mask, 2)
    with pytest.raises(TypeError, match="out: expected an array of int64, found uint8"):
        runmask.remove_small(abs(mask), 2, out=np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"out: expected shape \(2, 3\), found \(3, 2\)"):
        runmask.remove_small(abs(mask), 2, out=np.zeros((3, 2), mask.dtype))
    mask = abs(mask)
    mask.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        runmask.remove_small(mask, 2, out=mask)


def test_arrays_are_walked_along_memory():
    along = np.zeros((3, 4), np.uint8)
    assert [runmask._operations._marked(mask).order for mask in (along, np.asfortranarray(along))] == ["C", "F"]


def test_arrays_of_other_machines_and_of_odd_truths():
    mask = np.array([[0, 7, 7], [300, 7, 0]], ">u4")
    assert runmask.measure(mask, ("label", "area"))["label"].tolist() == [7, 300]
    true = np.array([[0, 2, 255]], np.uint8).view(bool)
    assert runmask.measure(true, ("label", "area"))["area"].tolist() == [2]
    assert len(runmask.components(true)) == 1
    nothing = np.array([[-1, 3, -1]])
    assert runmask.measure(nothing, ["label"], background=-1)["label"].tolist() == [3]
    assert len(runmask.components(nothing, background=-1)) == 1
    for verb in (runmask.measure, runmask.components, lambda mask: runmask.compare(mask, mask)):
        with pytest.raises(ValueError, match="labels are numbers from 0, but -1 is among them"):
            verb(nothing)
        with pytest.raises(TypeError, match="labels are integers or bool, not float64"):
            verb(nothing / 2)
    runs = runmask.encode(mask)
    with pytest.raises(TypeError, match="found Runs; call its method, Runs.measure"):
        runmask.measure(runs)
    with pytest.raises(TypeError, match="found Runs; call its method, Runs.components"):
        runmask.components(runs)
    with pytest.raises(ValueError, match="different shapes"):
        runmask.compare(mask, mask.T)
    with pytest.raises(ValueError, match="connectivity"):
        runmask.components(mask, 6)


@given(masks(dtypes=("u1",)), orders, orders)
def test_overlaps_and_scores(mask, order, other_order):
    mask = small_labels(mask)
    other = np.roll(mask, 1, axis=0)[:, ::-1]
    one, two = runmask.encode(mask, order=order), runmask.encode(other, order=other_order)
    both = (mask != 0) & (other != 0)
    pairs, counts = np.unique(np.stack([mask[both], other[both]], axis=1), axis=0, return_counts=True)
    expected = [[*map(int, pair), int(count)] for pair, count in zip(pairs, counts)]
    assert runmask.overlaps(one, two).tolist() == expected
    scores = runmask.compare(one, two, [0.5, 0.75])
    assert list(scores) == ["pq", "sq", "dq", "aji", "dice", "iou", "f1", "matched", "truth", "prediction"]
    union = ((mask != 0) | (other != 0)).sum()
    assert scores["iou"] == pytest.approx(both.sum() / union if union else 1)
    assert scores["pq"] == pytest.approx(scores["sq"] * scores["dq"])
    assert list(scores["f1"]) == [0.5, 0.75] and scores["f1"][0.5] == scores["dq"]
    assert (scores["truth"], scores["prediction"]) == (len(one), len(two))
    same = runmask.compare(one, one)
    assert same["pq"] == same["aji"] == same["dice"] == 1
    assert len(same["f1"]) == 10
    with pytest.raises(ValueError, match="from 0 to 1"):
        runmask.compare(one, two, [1.5])
