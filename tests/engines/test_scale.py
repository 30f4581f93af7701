"""The recipes of docs/SCALE.md for Ray and Spark run as written, and give the runs of one process."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pandas
import runmask

PAGE = pathlib.Path(__file__).parents[2] / "docs/SCALE.md"


def run_section(title, folder):
    """Runs the code of a section of the page in a folder with a mask; gives the mask's runs."""
    random = np.random.default_rng(1)
    mask = np.kron(random.integers(0, 9, (19, 25)), np.ones((8, 8), np.int64)) * (random.random((152, 200)) < 0.95)
    runs = runmask.encode(mask)
    runs.decode_to(folder / "mask.tif", "uint16")
    section = PAGE.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    code = "\n".join(re.findall(r"```python\n(.*?)```", section, re.S))
    (folder / "page.py").write_text(code + '\nwhole.write("whole.csv")\n' * (title == "Ray"))
    # As in an environment that is activated; what the engines keep in the home folder goes to this one.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(folder)}
    subprocess.run([sys.executable, "page.py"], cwd=folder, env=environment, check=True, timeout=250)
    return runs


def test_ray(tmp_path):
    runs = run_section("Ray", tmp_path)
    assert runmask.read(tmp_path / "whole.csv", shape=runs.shape) == runs


def test_spark(tmp_path):
    runs = run_section("Spark", tmp_path)
    found = pandas.read_parquet(tmp_path / "spark-runs")
    assert found.columns.tolist() == ["label", "start", "length"]
    # Runs that bands had split are joined again.
    assert len(found) == len(runs.runs)
    assert runmask.from_table(found, shape=runs.shape) == runs


