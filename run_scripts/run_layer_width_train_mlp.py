"""Train multi-layer perceptrons of many widths; what is there already is skipped.

    python run_layer_width_train_mlp.py --dataset mnist --depth 1 --begin_repeat 1 --repeat 10
    python run_layer_width_train_mlp.py --dataset cifar10 --depth 5 --begin_repeat 1 --repeat 10
    python run_layer_width_train_mlp.py --dataset digits

Time on 2 cores: digits half a minute; MNIST about 2 s an epoch for the 23 widths of a repeat
together, so 2 minutes for 60 epochs (--epoch 60) and an hour for the paper's 2,000; CIFAR-10 about
20 s an epoch for its 20 widths together.
Stopped or killed, the same command goes on where it was.

Out come runs/layer_width/DATASET/depth=D/width=W/repeat=R/ with epoch=NNNN.keras (the network),
history.csv and spec.json.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("layer_width_train", __doc__)
