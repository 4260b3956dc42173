"""Fuzzing: each loader reads files that were damaged at random.

    python -m fuzz                        # the targets that hold, 20 seconds each
    python -m fuzz idx npz --seconds 600  # two of them, for longer
    python -m fuzz --list

A target makes small sound files, Hypothesis damages them (bits, lengths, cuts, splices; inside and
outside of compression), and the loader reads them. What may come out is what the loader documents:
the right content, or its own error. Anything else, a case of over ten seconds or a crash is a
failure; Hypothesis then looks for the smallest case, and its file is kept. A line a target says how
many cases were read and how many were refused.
"""
