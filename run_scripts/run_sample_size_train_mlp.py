"""Train multi-layer perceptrons on samples of many sizes, for as many steps each.

    python run_sample_size_train_mlp.py --dataset mnist --depth 1 --begin_repeat 1 --repeat 5
    python run_sample_size_train_mlp.py --dataset cifar10 --depth 5 --begin_repeat 1 --repeat 5
    python run_sample_size_train_mlp.py --dataset digits --repeat 1

What is there already is skipped; stopped or killed, the same command goes on where it was. Time on
2 cores: digits 2 minutes; MNIST some 5 s per epoch for the 42 networks of a repeat. An epoch is one
pass through the largest sample; a smaller one is gone through as many times as fit in it.

Out come runs/sample_size/DATASET/depth=D/width=W/sample_size=N/repeat=R/ with epoch=NNNN.keras,
history.csv and spec.json.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("sample_size_train", __doc__)
