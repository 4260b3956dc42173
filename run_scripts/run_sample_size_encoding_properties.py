"""Measure the neural codes of the networks that run_sample_size_train_mlp.py trained.

    python run_sample_size_encoding_properties.py --dataset mnist --depth 1 --repeat 5 --workers 2
    python run_sample_size_encoding_properties.py --dataset digits --metrics redundancy,knn

Redundancy ratio, and the accuracy of K-Means, K-NN and logistic regression on the codes, beside
the network's own accuracy. Time on 2 cores: digits a second per network and epoch, MNIST some
seconds. What is measured already is skipped.

Out comes properties.json in the directory of each run; draw_figures.py draws it.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("sample_size_encoding_properties", __doc__)
