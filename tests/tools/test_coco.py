"""COCO files in the libraries that read them: areas, boxes and pixels are those of the mask."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import box, mask_of, objects, runmask
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

NAMES = ["discs", "gaps", "wide"]


@pytest.fixture(params=["encode", "encode numbers", "convert"])
def written(request: pytest.FixtureRequest, masks: Path, tmp_path: Path):
    """Writes the COCO file of a mask, each way in which the program writes one."""

    def write(name: str, *options: str) -> Path:
        mask, output = masks / f"{name}.tif", tmp_path / f"{name}.json"
        if request.param == "convert":
            table = tmp_path / f"{name}.csv"
            runmask("encode", mask, "-o", table, "-f", "table")
            runmask("convert", table, "-o", output, "--from", "table", "--like", mask, *options)
        else:
            form = ["--counts", "numbers"] if request.param.endswith("numbers") else []
            runmask("encode", mask, "-o", output, *form, *options)
        return output

    return write


@pytest.mark.parametrize("name", [*NAMES, "empty"])
def test_pycocotools(written, masks, name):
    coco = COCO(str(written(name)))
    mask = mask_of(masks / f"{name}.tif")
    (image,) = coco.loadImgs(coco.getImgIds())
    assert (image["height"], image["width"]) == mask.shape
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
    expected = objects(mask)
    assert [annotation["id"] for annotation in annotations] == [label for label, _ in expected]
    for annotation, (_, pixels) in zip(annotations, expected):
        assert annotation["area"] == pixels.sum()
        assert annotation["bbox"] == box(pixels)
        assert np.array_equal(coco.annToMask(annotation), pixels)
        rle = coco.annToRLE(annotation)
        assert coco_mask.area(rle) == pixels.sum()


@pytest.mark.parametrize("name", ["discs", "wide"])
def test_results_are_taken_with_their_ground_truth(masks, tmp_path, name):
    mask = masks / f"{name}.tif"
    truth, results = tmp_path / "truth.json", tmp_path / "results.json"
    runmask("encode", mask, "-o", truth)
    runmask("encode", mask, "-o", results, "--coco-form", "results")
    truth = COCO(str(truth))
    # Results of a model have scores; a label mask has none, and loadRes does not ask for them.
    loaded = truth.loadRes(str(results))
    expected = objects(mask_of(mask))
    annotations = loaded.loadAnns(loaded.getAnnIds(imgIds=truth.getImgIds()))
    # Of results that have boxes loadRes takes the area of the box for that of the object, so it is not looked at.
    assert len(annotations) == len(expected)
    for annotation, (_, pixels) in zip(annotations, expected):
        assert np.array_equal(loaded.annToMask(annotation), pixels)


@pytest.mark.parametrize("name", NAMES)
def test_supervision(written, masks, name):
    import supervision

    mask = mask_of(masks / f"{name}.tif")
    dataset = supervision.DetectionDataset.from_coco(str(masks), str(written(name)), force_masks=True)
    assert [Path(path).name for path in dataset.image_paths] == [f"{name}.tif"]
    detections = dataset.annotations[dataset.image_paths[0]]
    expected = objects(mask)
    assert len(detections) == len(expected)
    for pixels, (_, wanted) in zip(detections.mask, expected):
        assert np.array_equal(pixels, wanted)
    for corners, (_, wanted) in zip(detections.xyxy, expected):
        x, y, width, height = box(wanted)
        assert corners.tolist() == [x, y, x + width, y + height]


@pytest.mark.parametrize("name", NAMES)
def test_datumaro(written, masks, tmp_path, name):
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset

    # Datumaro wants folders of these names, and a file name that tells the kind of the annotations.
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    file = written(name).rename(tmp_path / "annotations" / "instances_default.json")
    dataset = Dataset.import_from(str(file), "coco_instances")
    (item,) = dataset
    assert item.id == name
    annotations = [annotation for annotation in item.annotations if annotation.type == AnnotationType.mask]
    expected = dict(objects(mask_of(masks / f"{name}.tif")))
    assert sorted(annotation.id for annotation in annotations) == list(expected)
    for annotation in annotations:
        assert np.array_equal(annotation.image, expected[annotation.id])


@pytest.mark.parametrize("name", [*NAMES, "empty"])
def test_what_torchvision_and_fiftyone_read(written, masks, name):
    """Both are too large for a gate. torchvision's CocoDetection takes the images by ascending id, opens
    `file_name` below its root, and gives `COCO.loadAnns` of the image. FiftyOne's importer reads `id`, `file_name`,
    `width` and `height` of images, `id` and `name` of categories, and of annotations `image_id`, `category_id`, `bbox` of
    four numbers, `iscrowd` and a segmentation that pycocotools decodes."""
    from PIL import Image

    file = written(name)
    coco = COCO(str(file))
    mask = mask_of(masks / f"{name}.tif")
    for identity in sorted(coco.imgs):
        assert type(identity) is int
        (image,) = coco.loadImgs(identity)
        assert Image.open(masks / image["file_name"]).size == (image["width"], image["height"])
        annotations = coco.loadAnns(coco.getAnnIds(identity))
        assert len(annotations) == len(objects(mask))

    content = json.loads(file.read_text())
    images = {image["id"] for image in content["images"]}
    categories = {category["id"]: category["name"] for category in content["categories"]}
    assert all(type(name) is str and name for name in categories.values())
    assert len({annotation["id"] for annotation in content["annotations"]}) == len(content["annotations"])
    for annotation in content["annotations"]:
        assert annotation["image_id"] in images
        assert annotation["category_id"] in categories
        assert len(annotation["bbox"]) == 4
        assert annotation["iscrowd"] in (0, 1)
        assert coco.annToMask(annotation).shape == mask.shape


def test_one_name_for_every_category(masks, tmp_path):
    output = tmp_path / "discs.json"
    runmask("encode", masks / "discs.tif", "-o", output, "--category", "nucleus")
    assert [category["name"] for category in COCO(str(output)).loadCats(COCO(str(output)).getCatIds())] == ["nucleus"]


def test_the_name_of_the_image_is_the_users_choice(masks, tmp_path):
    output = tmp_path / "discs.json"
    runmask("encode", masks / "discs.tif", "-o", output, "--file-name", "slides/one.svs")
    coco = COCO(str(output))
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == ["slides/one.svs"]
