"""Train multi-layer perceptrons of many widths; what is there already is skipped.

    python run_layer_width_train_mlp.py --dataset mnist --depth 1 --begin_repeat 1 --repeat 10
    python run_layer_width_train_mlp.py --dataset cifar10 --depth 5 --begin_repeat 1 --repeat 10
    python run_layer_width_train_mlp.py --dataset digits

Time on 2 cores: digits 2 minutes; MNIST about 0.4 s per epoch and network, so that a repeat of
all 23 widths takes 10 minutes for 60 epochs (--epoch 60) and 5 hours for the paper's 2,000.
Stopped or killed, the same command goes on where it was.

Out come runs/layer_width/DATASET/depth=D/width=W/repeat=R/ with epoch=NNNN.keras (the network),
history.csv and spec.json.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("layer_width_train", __doc__)
