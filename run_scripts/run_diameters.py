"""Measure how wide linear regions are, for networks of many widths, trained here if need be.

    python run_diameters.py --dataset mnist --repeat 5
    python run_diameters.py --dataset digits --repeat 1

Stochastic activation diameters of 600 test examples and of 600 uniform random inputs, at epochs 0,
1, 3, 6, 10, 30, 60, 100, 300 and 500 of MNIST networks of the paper's 18 widths (Figures 2(c) to
2(e) and 7). What is there already is skipped; stopped or killed, the same command goes on where it
was. Time on 2 cores: digits a minute; MNIST some 2 s per epoch and repeat, then a minute of
measuring.

Out come runs/diameters/DATASET/depth=D/width=W/repeat=R/ with epoch=NNNN.keras, properties.json
(means and spreads) and diameters.json (every diameter); draw_figures.py draws them.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("diameters", __doc__)
