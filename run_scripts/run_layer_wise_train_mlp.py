"""Train the five-layer perceptrons whose layers are measured one by one (Figure 5).

    python run_layer_wise_train_mlp.py --dataset cifar10 --repeat 1
    python run_layer_wise_train_mlp.py --dataset digits --repeat 1

Five hidden layers of 40 units (digits: 10), trained as those of the other experiments, with the
weights of 16 epochs kept on the way. Time on 2 cores: CIFAR-10 about 2 s an epoch, so 7 minutes
for the paper's 200; digits seconds. Stopped or killed, the same command goes on where it was.

Out come runs/layer_wise/DATASET/depth=5/width=W/repeat=R/ with epoch=NNNN.keras (the network),
history.csv and spec.json.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("layer_wise_train", __doc__)
