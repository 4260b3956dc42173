"""Builds the native extension; everything else is in pyproject.toml.

`TFHASH_SANITIZE=address` builds it with the address and undefined-behavior sanitizers,
`TFHASH_SANITIZE=thread` with the thread sanitizer; see `.ci/sanitize`.
"""

import os
import sys
from glob import glob

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension, build_ext
from setuptools import setup

# -ffp-contract=off: a fused multiply-add rounds once where two operations round twice, and
# results must be the same bits on every instruction set.
COMPILE_ARGS = ["/O2", "/fp:precise"] if os.name == "nt" else ["-O3", "-ffp-contract=off"]
LINK_ARGS = [] if os.name == "nt" or sys.platform == "darwin" else ["-pthread"]
SANITIZERS = {
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "thread": ["-fsanitize=thread"],
}
if sanitizer := os.environ.get("TFHASH_SANITIZE"):
    if sanitizer not in SANITIZERS:
        raise SystemExit(
            f"TFHASH_SANITIZE: Expected one of {', '.join(SANITIZERS)}. Received: {sanitizer!r}."
        )
    COMPILE_ARGS += ["-O1", "-g1", "-fno-omit-frame-pointer", *SANITIZERS[sanitizer]]
    LINK_ARGS += SANITIZERS[sanitizer]
if os.environ.get("TFHASH_WARNINGS") == "error":
    COMPILE_ARGS += ["-Wall", "-Wextra", "-Werror"]

INCLUDED = glob("csrc/bindings_*.cpp")  # in bindings.cpp

ParallelCompile("TFHASH_BUILD_JOBS", default=0).install()

setup(
    ext_modules=[
        Pybind11Extension(
            "tfhash._native",
            sorted(set(glob("csrc/**/*.cpp", recursive=True)) - set(INCLUDED)),
            include_dirs=["csrc"],
            depends=sorted([*glob("csrc/**/*.h", recursive=True), *INCLUDED]),
            cxx_std=17,
            extra_compile_args=COMPILE_ARGS,
            extra_link_args=LINK_ARGS,
        )
    ],
    cmdclass={"build_ext": build_ext},
)
