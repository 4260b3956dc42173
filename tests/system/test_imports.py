"""What may import what; codes and metrics need no Keras; a clone finds the installed kernels."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfhash import _native

ROOT = Path(__file__).parents[2]


def test_layers_import_downwards_only():
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kernels_are_called_by_what_works_on_arrays_only():
    callers = set()
    for path in (ROOT / "tfhash").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {alias.name for alias in getattr(node, "names", ())}
            if isinstance(node, ast.ImportFrom | ast.Import) and "_native" in names:
                callers.add(path.relative_to(ROOT / "tfhash").parts[0].removesuffix(".py"))
    assert callers <= {"codes", "metrics", "geometry", "representation"}
    assert {"codes", "metrics"} <= callers


@pytest.mark.parametrize(
    "module",
    (
        *("tfhash", "tfhash.metrics", "tfhash.representation", "tfhash.results", "tfhash.runs"),
        *("tfhash.figures", "tfhash.distributed.sweeps"),
    ),
)
def test_keras_is_not_loaded(module):
    code = (
        f"import sys, {module}\n"
        "loaded = {'keras', 'tensorflow', 'jax'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "tests", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def run_in_clone(clone, *packages):
    """Import tfhash in a clone, with these folders alone as places of installed packages."""
    code = "import tfhash._native; print(tfhash.__file__, tfhash._native.__file__, tfhash.metrics)"
    return subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, packages))},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def clone(tmp_path):
    """tfhash's source without compiled kernels, as `pip install .` leaves a clone."""
    no_kernels = shutil.ignore_patterns("_native.*.so", "_native*.pyd", "__pycache__")
    shutil.copytree(ROOT / "tfhash", tmp_path / "clone" / "tfhash", ignore=no_kernels)
    return tmp_path / "clone"


@pytest.fixture
def site(tmp_path):
    """A folder in which the kernels are installed."""
    (tmp_path / "site" / "tfhash").mkdir(parents=True)
    shutil.copy(_native.__file__, tmp_path / "site" / "tfhash")
    shutil.copy(ROOT / "tfhash" / "_native.pyi", tmp_path / "site" / "tfhash")
    return tmp_path / "site"


def test_a_clone_uses_the_installed_kernels(clone, site):
    done = run_in_clone(clone, site, Path(np.__file__).parents[1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(clone)) and f" {site}" in done.stdout


def test_a_clone_without_installed_kernels_says_how_to_install_them(clone, site):
    done = run_in_clone(clone)
    assert done.returncode == 1
    assert "source alone" in done.stderr and "'pip install .'" in done.stderr
    with (site / "tfhash" / "_native.pyi").open("a") as file:
        file.write("def of_another_version() -> None: ...\n")
    done = run_in_clone(clone, site)
    assert done.returncode == 1
    assert "of another version" in done.stderr and str(site) in done.stderr


def test_one_version_everywhere():
    import tfhash

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {tfhash.__version__}\n" in citation
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = [line for line in changelog.splitlines() if line.startswith("## ")]
    assert newest[0] == "## Unreleased" or newest[0].startswith(f"## {tfhash.__version__} ")


def test_the_old_name_of_the_studies_warns():
    import tfhash

    with pytest.warns(DeprecationWarning, match=r"tfhash\.studies"):
        assert tfhash.experiments is tfhash.studies
