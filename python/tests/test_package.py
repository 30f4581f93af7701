"""Docstrings that run, names that are typed, and an import that is fast."""

import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import runmask

MODULES = [value for value in vars(runmask).values() if isinstance(value, ModuleType) and value.__name__.split(".")[0] == "runmask"]
PUBLIC = [module for module in MODULES if not module.__name__.rpartition(".")[2].startswith("_")]


def documented():
    """Every public name with its docstring."""
    yield "runmask", runmask.__doc__
    for module in PUBLIC:
        yield module.__name__, module.__doc__
    for owner in [runmask, *PUBLIC]:
        for name in owner.__all__:
            value = getattr(owner, name)
            if isinstance(value, (ModuleType, str)) or not callable(value):
                continue
            yield f"{owner.__name__}.{name}", value.__doc__
            if inspect.isclass(value) and value.__module__.startswith("runmask"):
                for method, function in vars(value).items():
                    if not method.startswith("_"):
                        yield f"{owner.__name__}.{name}.{method}", getattr(function, "__doc__", None)


DOCUMENTED = dict(documented())


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = DOCUMENTED[name]
    if name.startswith("runmask.coco.Rle."):
        return
    assert text, f"{name} has no docstring"
    examples = doctest.DocTestParser().get_doctest(text, {"runmask": runmask, "numpy": np}, name, None, None)
    output = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=output.append)
    assert result.failed == 0, "".join(output)


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["README.md", "docs/PYTHON.md"])
def test_sessions_in_the_documentation(name, tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / name).read_text()
    sessions = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert sessions or name != "README.md"
    for session in sessions:
        examples = doctest.DocTestParser().get_doctest(session, {}, name, name, 0)
        output = []
        doctest.DocTestRunner().run(examples, out=output.append)
        assert not output, "".join(output)


def test_the_tables_of_the_documentation_name_what_there_is():
    text = (ROOT / "docs/PYTHON.md").read_text()
    for owner, name in re.findall(r"\b(runmask|coco|runs)\.(\w+)", text):
        where = {"runmask": runmask, "coco": runmask.coco, "runs": runmask.Runs}[owner]
        assert hasattr(where, name), f"{owner}.{name}"


def test_what_a_user_starts_from_has_an_example():
    for name in ["runmask", "runmask.encode", "runmask.Runs", "runmask.Runs.decode", "runmask.coco"]:
        assert ">>>" in DOCUMENTED[name], name


def test_the_import_is_fast():
    # Beyond numpy's own. A bound that a slow machine keeps, far below what a heavy dependency would cost.
    code = "import numpy, time; start = time.perf_counter(); import runmask; print(time.perf_counter() - start)"
    times = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) for _ in range(3)]
    assert min(times) < 0.3
    code = "import sys, runmask; print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "pyarrow", "scipy", "skimage", "shapely", "dask"} & set(loaded)
