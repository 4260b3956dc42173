"""Measure the codes of each layer, of the first k and of the last k layers, epoch by epoch.

    python run_layer_wise_encoding_properties.py --dataset cifar10 --repeat 1
    python run_layer_wise_encoding_properties.py --dataset digits --repeat 1 --metrics redundancy

Of the networks that run_layer_wise_train_mlp.py trained: redundancy ratio, and the accuracy of
K-Means, K-NN and logistic regression on the codes. Time on 2 cores: CIFAR-10 some 15 s an epoch
that was kept, digits a second. What is measured already is skipped.

Out comes layer_wise.csv in the directory of each run; draw_figures.py draws it. For a model of
your own, tfhash.metrics.layer_wise gives the same table.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("layer_wise_encoding_properties", __doc__)
