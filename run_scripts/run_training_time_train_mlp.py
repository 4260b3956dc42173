"""Train multi-layer perceptrons of a few widths and keep them as they are after many epochs.

    python run_training_time_train_mlp.py --dataset mnist --depth 1 --begin_repeat 1 --repeat 5
    python run_training_time_train_mlp.py --dataset cifar10 --depth 5 --begin_repeat 1 --repeat 10
    python run_training_time_train_mlp.py --dataset digits

What is there already is skipped; stopped or killed, the same command goes on where it was. Time on
2 cores: digits a minute; MNIST about 0.5 s per epoch for the 3 networks of a repeat.

Out come runs/training_time/DATASET/depth=D/width=W/repeat=R/ with epoch=NNNN.keras for each epoch
of the paper's grid, history.csv and spec.json.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("training_time_train", __doc__)
