"""CVAT's XML and Label Studio's JSON in the libraries that read them."""

import json

import numpy as np
import pytest
from conftest import mask_of, objects, runmask

NAMES = ["discs", "wide"]


@pytest.mark.parametrize("name", NAMES)
def test_cvat_in_datumaro(masks, tmp_path, name):
    from datumaro.components.dataset import Dataset

    # Datumaro finds the images beside the file, in a folder of this name.
    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / f"{name}.tif"
    image.write_bytes((masks / image.name).read_bytes())
    file = tmp_path / "annotations.xml"
    runmask("encode", masks / f"{name}.tif", "-o", file)
    (item,) = Dataset.import_from(str(file), "cvat")
    assert item.id == name
    expected = objects(mask_of(image))
    assert len(item.annotations) == len(expected)
    for annotation, (_, pixels) in zip(item.annotations, expected):
        assert np.array_equal(annotation.image, pixels)


@pytest.mark.parametrize("name", NAMES)
def test_label_studio_in_its_converter(masks, tmp_path, name):
    from label_studio_converter import brush
    from label_studio_converter.converter import Converter

    file = tmp_path / "tasks.json"
    runmask("encode", masks / f"{name}.tif", "-o", file, "-f", "labelstudio")
    mask = mask_of(masks / f"{name}.tif")
    expected = objects(mask)

    config = """<View><Image name="image" value="$image"/>
      <BrushLabels name="brush" toName="image"><Label value="object"/></BrushLabels></View>"""
    converter = Converter(config, str(tmp_path), download_resources=False)
    tasks = list(converter.iter_from_json_file(str(file)))
    results = [result for task in tasks for result in task["output"]["brush"]]
    assert len(results) == len(expected)
    for result, (_, pixels) in zip(results, expected):
        assert (result["original_height"], result["original_width"]) == mask.shape
        channels = brush.decode_rle(result["rle"]).reshape(*mask.shape, 4)
        assert np.array_equal(channels[:, :, 3] > 0, pixels)


def test_the_url_of_a_task_is_the_users_choice(masks, tmp_path):
    file = tmp_path / "tasks.json"
    url = "https://example.org/slides/one.tif"
    runmask("encode", masks / "discs.tif", "-o", file, "-f", "labelstudio", "--image-url", url)
    assert [task["data"]["image"] for task in json.loads(file.read_text())] == [url]


@pytest.mark.parametrize("format", ["cvat", "labelstudio"])
def test_an_annotation_file_comes_back_as_the_mask(masks, tmp_path, format):
    """Files that these libraries write are for the tests of the readers; here the circle is closed."""
    file = tmp_path / "file"
    runmask("encode", masks / "discs.tif", "-o", file, "-f", format)
    back = tmp_path / "back.npy"
    runmask("decode", file, "-o", back, "-f", format)
    assert np.array_equal(np.load(back), mask_of(masks / "discs.tif"))
