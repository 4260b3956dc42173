"""Draw every figure of the paper that the results at hand allow.

    python draw_figures.py
    python draw_figures.py --load_path ../runs --figures_path ../figures   # the project's own

Takes some seconds. Out come figure_NAME_DATASET.png and .svg in runs/figures/, each with the table
behind it (.csv), the paper's own curve dashed beside ours; deviations.csv says how far apart they
are. What cannot be drawn yet is named, with the reason. The figures/ of the repository are drawn
from all its runs and only where --figures_path names them.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("draw_figures", __doc__)
