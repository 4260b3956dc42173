#!/usr/bin/env bash
# NumPy's bitwise_count gives wrong Hamming distances for codes that are packed in signed words.
#
# NumPy 2.4.6, JAX 0.10.2.
# Guess: np.bitwise_count(a ^ b) counts the bits in which the words a and b differ, whether these 64
# bits are called uint64 or int64, as population_count, POPCNT and every Hamming index do.
# Seen: of a negative number it counts the bits of the absolute value: of -1 one bit, not 64. Half
# of all pairs of words differ in the highest bit: of 500 pairs of random codes of 64 bits 237 have
# a wrong distance as int64, 43 in the place of 20; as int8, in bytes, 462 have. As uint64 none has.
# jax.numpy.bitwise_count is the same; jax.lax.population_count of -1 as int32 is 32.
# Source: the documentation of bitwise_count does say "absolute value", as Python's int.bit_count
# does. PyTorch computes little in unsigned 64 bits, so packed codes often come as int64: take
# words.view(np.uint64) first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "numpy==2.4.6" "jax==0.10.2"
JAX_PLATFORMS=cpu "$folder/venv/bin/python" -W error - <<'PYTHON'
import jax
import jax.numpy as jnp
import numpy as np

bits = np.random.default_rng(0).integers(0, 2, (1000, 64)).astype(np.uint8)
words = np.packbits(bits, axis=1, bitorder="little")
differ = (bits[:500] != bits[500:]).sum(axis=1)
wrong = {}
for kind in (np.uint64, np.int64, np.uint8, np.int8):
    a, b = words.view(kind)[:500], words.view(kind)[500:]
    distances = np.bitwise_count(a ^ b).astype(int).sum(axis=1)
    wrong[kind] = int((distances != differ).sum())
    worst = abs(distances - differ).argmax()
    print(kind.__name__, wrong[kind], "of 500 wrong, as", distances[worst], "for", differ[worst])
one = jnp.asarray([-1], jnp.int32)
jax_counts = int(jnp.bitwise_count(one)[0]), int(jax.lax.population_count(one)[0])
print("-1:", np.bitwise_count(np.int64(-1)), "JAX bitwise_count, population_count", jax_counts)
assert wrong[np.uint64] == wrong[np.uint8] == 0, "the behavior has changed"
assert wrong[np.int64] > 150 and wrong[np.int8] > 400, "the behavior has changed"
assert np.bitwise_count(np.int64(-1)) == 1 and jax_counts == (1, 32), "the behavior has changed"
PYTHON
