#!/usr/bin/env bash
# JAX cuts codes that are packed in 64-bit words to their lower 32 bits, and says nothing.
#
# JAX 0.10.2, NumPy 2.4.6.
# Guess: with 64 bits disabled, the default, JAX rounds float64 to float32; integers that do not fit
# in 32 bits raise an error, or at least a warning, as asking for a 64-bit dtype does.
# Seen: jnp.asarray of uint64 words, and a jitted function that is given them, keep the lower 32
# bits. Hamming distances of 500 pairs of codes of 64 bits are on average 16.0, not 32.0: those of
# the first 32 units. 2**32 + 1 becomes 1, so that two words that differ above become one in unique.
# jnp.asarray(words, dtype="uint64") does the same and warns.
# Source: values are canonicalized to 32-bit types wherever they come in, integers modulo 2**32; the
# documentation speaks of single precision. View the words as uint32 first, or set jax_enable_x64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "jax==0.10.2" "numpy==2.4.6"
JAX_PLATFORMS=cpu "$folder/venv/bin/python" -W error - <<'PYTHON'
import jax
import jax.numpy as jnp
import numpy as np

bits = np.random.default_rng(0).integers(0, 2, (1000, 64)).astype(np.uint8)
words = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
differ = (bits[:500] != bits[500:]).sum(axis=1)
first = (bits[:500, :32] != bits[500:, :32]).sum(axis=1)


@jax.jit
def hamming(a, b):
    return jax.lax.population_count(a ^ b).sum(axis=1)


halves = words.view(np.uint32)
cut, whole = hamming(words[:500], words[500:]), hamming(halves[:500], halves[500:])
print("mean distance", differ.mean(), "of words", float(cut.mean()), "of halves", whole.mean())
made = jnp.asarray(np.array([2**32 + 1, 1], np.uint64))
print("2**32 + 1 and 1 become", made, made.dtype)
try:
    jnp.asarray(words, dtype="uint64")
    warned = False
except UserWarning as warning:
    warned = "truncated" in str(warning)
print("warns where the dtype is asked for:", warned)
assert (np.asarray(whole) == differ).all()
assert (np.asarray(cut) == first).all() and jnp.unique(made).size == 1, "the behavior has changed"
assert warned, "the behavior has changed"
PYTHON
