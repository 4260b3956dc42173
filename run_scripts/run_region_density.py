"""Count the linear regions between examples, and cut a plane into them, over training time.

    python run_region_density.py --dataset mnist --repeat 1
    python run_region_density.py --dataset digits --repeat 1

Regions per unit of length, exactly, along 500 segments between test examples of one class and 500
between two classes; and the polygons of the plane through three test examples, before and after
training. The networks are those of run_diameters.py, of 50, 60 and 70 units; what is missing is
trained, what is there is skipped. Time on 2 cores: digits a minute; MNIST a minute once trained.

Out come properties.json and plane.json in runs/diameters/DATASET/depth=D/width=W/repeat=R/;
draw_figures.py draws them.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("region_density", __doc__)
