"""Measure the neural codes of the networks that run_cnn_train.py trained.

    python run_cnn_encoding_properties.py --architecture resnet18 --dataset mnist
    python run_cnn_encoding_properties.py --architecture resnet20 --dataset cifar10 --metrics knn

Redundancy ratio, and the accuracy of K-Means, K-NN and logistic regression on the codes, beside
the network's own accuracy. The codes take one bit for each ReLU and image in memory: 147 MB for
MNIST's ResNet-18, 4.2 GB for CIFAR-10's. What is measured already is skipped.

Out comes properties.json in the directory of each run; draw_figures.py puts it in a table beside
the paper's numbers.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("cnn_encoding_properties", __doc__)
