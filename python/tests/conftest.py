"""What the tests share: a definition of runs by pixels, and masks with what is hard about them."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

settings.register_profile("runmask", deadline=None, print_blob=True)
settings.load_profile("runmask")


def runs_by_pixels(mask, background=0, order="F"):
    """Every label's runs, pixel by pixel."""
    found = {}
    before, start = None, 0
    flat = [int(label) for label in np.asarray(mask).ravel(order=order)]
    for place, label in enumerate([*flat, None]):
        if label == before:
            continue
        if before is not None and before != background:
            found.setdefault(before, []).append([start, place - start])
        before, start = label, place
    return dict(sorted(found.items()))


def as_dict(runs):
    """Runs as a dictionary of lists."""
    return {label: of_label.tolist() for label, of_label in runs}


@st.composite
def masks(draw, labels=4, side=12, dtypes=("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "?")):
    """Small masks in blocks, so that runs have lengths; labels up to the dtype's largest."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    height, width = draw(st.integers(0, side)), draw(st.integers(0, side))
    largest = 1 if dtype.kind == "b" else np.iinfo(dtype).max
    values = [0, *draw(st.lists(st.integers(1, largest), min_size=1, max_size=labels, unique=True))]
    step = draw(st.integers(1, 3))
    small = draw(
        st.lists(
            st.sampled_from(values),
            min_size=(-(-height // step)) * (-(-width // step)),
            max_size=(-(-height // step)) * (-(-width // step)),
        )
    )
    blocks = np.array(small, dtype).reshape(-(-height // step), -(-width // step))
    return blocks.repeat(step, 0).repeat(step, 1)[:height, :width]
