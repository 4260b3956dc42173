"""Every benchmark, one table: python -m benchmarks --data_dir FOLDER."""

from importlib import import_module
from pathlib import Path

from benchmarks.harness import parse, show

if __name__ == "__main__":
    options = parse(__doc__ or "")
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        module = import_module(f"benchmarks.{path.stem}")
        if hasattr(module, "rows"):  # bench_audit measures no times against peers
            print(f"\n{path.stem}")
            show(module.rows(options))
