"""Show random data to networks that are trained on images, and train networks on random data.

    python run_random_data.py --dataset mnist --repeat 5
    python run_random_data.py --dataset digits --repeat 1

The first: the redundancy ratio of 60,000 uniform random inputs, beside that of the images, in
networks of 40, 50 and 60 units over training time (Figure 2(f)). The second: accuracy and loss of a
network of 100 units trained on uniform random inputs with MNIST's labels, at epochs 0, 100, 300 and
500 (Table 5). What is there already is skipped; stopped or killed, the same command goes on where
it was. Time on 2 cores: digits a minute; MNIST 10 minutes per repeat.

Out come runs/random_data/DATASET/depth=D/width=W/[inputs=uniform/]repeat=R/ with epoch=NNNN.keras
and properties.json; draw_figures.py draws them.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("random_data", __doc__)
