"""Zarr stores by zarr-python and ome-zarr, over what is hard about them. `write_all` gives each with the options that
name the mask in it and the mask that it holds. Run by itself, it writes tests/fixtures/zarr: one zip file for each."""

import hashlib
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numcodecs
import numpy as np
import ome_zarr.format
import ome_zarr.writer
import zarr

SHAPE = (150, 117)
SIDE = 32


def mask(dtype: str = "uint16") -> np.ndarray:
    """Discs on a background that leaves whole chunks empty, and a chunk of one label; the last label is the largest."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    found = np.zeros(SHAPE, dtype)
    for label, (row, column, radius) in enumerate([(20, 20, 18), (60, 70, 30), (75, 100, 22), (149, 116, 9)], 1):
        found[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = label
    found[96:128, 0:32] = 5
    found[0, -1] = 1 if dtype == "bool" else np.iinfo(dtype).max
    return found


def version_2(path: Path, pixels: np.ndarray, **options: object) -> None:
    options = {"chunks": (SIDE, SIDE), "fill_value": 0, "dtype": pixels.dtype, **options}
    array = zarr.create_array(store=path, shape=pixels.shape, zarr_format=2, config={"write_empty_chunks": False}, **options)
    array[...] = pixels


def version_3(path: Path, pixels: np.ndarray, **options: object) -> None:
    options = {"chunks": (SIDE, SIDE), "fill_value": 0, "dtype": pixels.dtype, **options}
    array = zarr.create_array(store=path, shape=pixels.shape, zarr_format=3, config={"write_empty_chunks": False}, **options)
    array[...] = pixels


def blosc_2(name: str, shuffle: int) -> numcodecs.Blosc:
    return numcodecs.Blosc(cname=name, clevel=5, shuffle=shuffle)


def blosc_3(name: str, shuffle: str) -> zarr.codecs.BloscCodec:
    return zarr.codecs.BloscCodec(cname=name, clevel=5, shuffle=shuffle)


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """Arrays without OME metadata, by their names."""
    plain, wide = mask(), mask("uint32")
    made: dict[str, np.ndarray] = {}

    def two(name: str, pixels: np.ndarray, **options: object) -> None:
        made[name] = pixels
        version_2(folder / name, pixels, **options)

    def three(name: str, pixels: np.ndarray, **options: object) -> None:
        made[name] = pixels
        version_3(folder / name, pixels, **options)

    for name in ("lz4", "lz4hc", "zstd", "zlib"):
        for shuffle in (0, 1, 2):
            two(f"v2-blosc-{name}-{shuffle}", wide, compressors=blosc_2(name, shuffle), chunks=(64, 50))
    two("v2-gzip", plain, compressors=numcodecs.GZip())
    two("v2-zlib", plain, compressors=numcodecs.Zlib())
    two("v2-zstd", plain, compressors=numcodecs.Zstd())
    two("v2-none-slash", plain, compressors=None, chunk_key_encoding={"name": "v2", "separator": "/"})
    two("v2-fortran", plain, compressors=numcodecs.Zstd(), order="F", chunks=(40, 33))
    two("v2-big-endian", plain.astype(">u2"), compressors=numcodecs.Zstd())
    two("v2-one-chunk", plain, compressors=numcodecs.Zstd(), chunks=SHAPE)
    two("v2-fill", plain + np.uint16(7), compressors=numcodecs.Zstd(), fill_value=7)
    for dtype in ("bool", "uint8", "int8", "int16", "uint32", "int32", "uint64", "int64"):
        two(f"v2-{dtype}", mask(dtype), compressors=numcodecs.Zstd())
        three(f"v3-{dtype}", mask(dtype))
    # Chunks that a test with little memory reads in parts.
    large = {"chunks": (512, 512)}
    two("v2-large-zlib", wide, compressors=numcodecs.Zlib(), **large)
    two("v2-large-blosc-lz4", wide, compressors=blosc_2("lz4", 1), **large)
    two("v2-large-blosc-zstd", wide, compressors=blosc_2("zstd", 2), **large)
    three("v3-large-zstd", wide, **large)
    three("v3-large-gzip", wide, compressors=zarr.codecs.GzipCodec(), **large)
    three("v3-zstd-checksum", plain, compressors=zarr.codecs.ZstdCodec(checksum=True))
    three("v3-gzip", plain, compressors=zarr.codecs.GzipCodec())
    three("v3-none", plain, compressors=None)
    three("v3-crc32c", plain, compressors=[zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()])
    three("v3-two", plain, compressors=[blosc_3("lz4", "shuffle"), zarr.codecs.GzipCodec()])
    three("v3-blosc", wide, compressors=blosc_3("zstd", "bitshuffle"))
    three("v3-dots", plain, chunk_key_encoding={"name": "default", "separator": "."})
    three("v3-keys-of-v2", plain, chunk_key_encoding={"name": "v2", "separator": "."})
    three("v3-big-endian", wide, serializer=zarr.codecs.BytesCodec(endian="big"))
    three("v3-transposed", wide, filters=zarr.codecs.TransposeCodec(order=(1, 0)), chunks=(40, 33))
    three("v3-shards", plain, shards=(96, 64))
    three("v3-shards-first", wide, shards={"shape": (64, 96), "index_location": "start"})
    shard = zarr.codecs.ShardingCodec(
        chunk_shape=(16, 20),
        codecs=[zarr.codecs.TransposeCodec(order=(1, 0)), zarr.codecs.BytesCodec(), zarr.codecs.GzipCodec()],
        index_codecs=[zarr.codecs.BytesCodec()],
    )
    three("v3-shards-transposed", plain, serializer=shard, compressors=None, chunks=(48, 60))
    three("v3-empty", np.zeros(SHAPE, np.uint8))
    three("v3-leading-ones", plain[None, None], chunks=(1, 1, SIDE, SIDE))
    return made


def stacks(folder: Path) -> dict[str, tuple[list[str], np.ndarray]]:
    """Arrays of several planes, with the options that name one and its pixels."""
    planes = np.stack([np.roll(mask(), 3 * number, axis=1) for number in range(6)]).reshape(2, 3, *SHAPE)
    version_2(folder / "v2-planes", planes, chunks=(1, 2, SIDE, SIDE), compressors=numcodecs.Zstd())
    version_2(folder / "v2-planes-fortran", planes, chunks=(2, 2, 40, 33), compressors=numcodecs.Zstd(), order="F")
    version_2(
        folder / "v2-planes-large", planes.astype(np.uint32), chunks=(1, 3, 300, 300), compressors=blosc_2("lz4", 1)
    )
    version_3(folder / "v3-planes", planes, chunks=(1, 1, SIDE, SIDE), dimension_names=["t", "c", "y", "x"])
    version_3(
        folder / "v3-planes-shards", planes, chunks=(1, 2, SIDE, SIDE), shards=(2, 4, 64, 64), dimension_names=["t", "c", "y", "x"]
    )
    return {
        "v2-planes": (["--index", "0=1,1=2"], planes[1, 2]),
        "v2-planes-fortran": (["--index", "0=1,1=1"], planes[1, 1]),
        "v2-planes-large": (["--index", "0=1,1=1"], planes[1, 1]),
        "v3-planes": (["--index", "t=1,c=2"], planes[1, 2]),
        "v3-planes-shards": (["--index", "c=1,t=1"], planes[1, 1]),
    }


def ome(folder: Path) -> dict[str, tuple[list[str], np.ndarray]]:
    """Images with labels, by ome-zarr in both versions of the format."""
    made: dict[str, tuple[list[str], np.ndarray]] = {}
    cells, nuclei = mask("uint32"), np.roll(mask("uint16"), 10, axis=0)
    for version, form in (("0.4", ome_zarr.format.FormatV04()), ("0.5", ome_zarr.format.FormatV05())):
        name = f"ome-{version}"
        scales = [[{"type": "scale", "scale": [0.5 * 2**level, 0.25 * 2**level]}] for level in range(3)]
        axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
        root = zarr.open_group(folder / name, mode="w", zarr_format=2 if version == "0.4" else 3)
        image = np.zeros((2, *SHAPE), np.uint8)
        ome_zarr.writer.write_image(image, root, axes="cyx", fmt=form)
        for label, pixels in (("cells", cells), ("nuclei", nuclei)):
            levels = [pixels, pixels[::2, ::2], pixels[::4, ::4]]
            ome_zarr.writer.write_multiscale_labels(
                levels, root, label, axes=axes, coordinate_transformations=scales, fmt=form,
                label_metadata={"colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}]},
            )
        made[name] = (["--label", "nuclei"], nuclei)
    return made


def pipelines(folder: Path) -> dict[str, tuple[list[str], np.ndarray]]:
    """Stores laid out as programs lay them out that convert slides and keep their results."""
    cells, nuclei = mask("uint32"), np.roll(mask("uint32"), 10, axis=0)
    form = ome_zarr.format.FormatV05()
    # bioformats2raw: a root that says so, its images numbered, their metadata in OME; chunks with Blosc, in shards.
    root = zarr.open_group(folder / "bioformats2raw", mode="w", zarr_format=3)
    root.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    root.create_group("OME").attrs["ome"] = {"version": "0.5", "series": ["0", "1"]}
    for series, pixels in enumerate((nuclei, cells)):
        levels = [pixels[None, None, None], pixels[None, None, None, ::2, ::2]]
        options = {"chunks": (1, 1, 1, SIDE, SIDE), "shards": (1, 1, 1, 2 * SIDE, 2 * SIDE), "compressors": blosc_3("lz4", "shuffle")}
        ome_zarr.writer.write_multiscale(
            levels, root.create_group(str(series)), axes="tczyx", fmt=form, storage_options=options
        )
    # spatialdata: elements by their kind; the group of labels may list nothing.
    root = zarr.open_group(folder / "spatialdata", mode="w", zarr_format=3)
    root.attrs["spatialdata_attrs"] = {"version": "0.2"}
    for kind in ("images", "labels", "shapes"):
        root.create_group(kind)
    for label, pixels in (("cells", cells), ("nuclei", nuclei)):
        group = root["labels"].create_group(label)
        ome_zarr.writer.write_multiscale([pixels, pixels[::2, ::2]], group, axes="yx", fmt=form)
        group.attrs["ome"] = {**group.attrs["ome"], "image-label": {"version": "0.5"}}
    return {
        "bioformats2raw": ([], nuclei),
        "spatialdata": (["--label", "cells"], cells),
    }


def write_all(folder: Path) -> dict[str, tuple[list[str], np.ndarray]]:
    """Writes all stores into a folder; the options that name the mask of each, and its pixels."""
    plain = {name: ([], np.squeeze(pixels)) for name, pixels in arrays(folder).items()}
    return plain | stacks(folder) | ome(folder) | pipelines(folder)


def zip_store(store: Path, to: Path, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(to, "w", compression) as archive:
        for file in sorted(path for path in store.rglob("*") if path.is_file()):
            # The same time each time, so that the same stores are the same bytes.
            archive.writestr(zipfile.ZipInfo(str(file.relative_to(store))), file.read_bytes(), compression)


def main() -> None:
    target = Path(__file__).parent.parent / "fixtures" / "zarr"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    work = target / "work"
    made = write_all(work)
    facts = {}
    for name, (options, pixels) in made.items():
        zip_store(work / name, target / f"{name}.zip")
        stored = np.ascontiguousarray(pixels).astype("<u8")
        facts[name] = {"options": options, "shape": stored.shape, "sha256": hashlib.sha256(stored).hexdigest()}
    shutil.rmtree(work)
    (target / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
