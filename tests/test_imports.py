"""What may import what: the layers, and that codes and metrics need no Keras."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_layers_import_downwards_only():
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kernels_are_called_by_codes_metrics_and_geometry_only():
    callers = set()
    for path in (ROOT / "tfhash").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {alias.name for alias in getattr(node, "names", ())}
            if isinstance(node, ast.ImportFrom | ast.Import) and "_native" in names:
                callers.add(path.relative_to(ROOT / "tfhash").parts[0].removesuffix(".py"))
    assert callers <= {"codes", "metrics", "geometry"}
    assert {"codes", "metrics"} <= callers


@pytest.mark.parametrize("module", ("tfhash", "tfhash.metrics", "tfhash.results", "tfhash.figures"))
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
