"""The whole of it in under a minute, with nothing to download.

    python run_demo.py

Trains 20 small networks (10 widths, 2 repeats) on the handwritten digits that come with
scikit-learn, measures their neural codes and draws figures 2(a) and 2(b) of the paper for them.

Out come runs/layer_width/digits/ and runs/figures/figure_2a_digits.png, figure_2b_digits.png.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("demo", __doc__)
