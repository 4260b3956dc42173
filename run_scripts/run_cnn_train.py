"""Train a convolutional network of the paper's tables; what is there already is skipped.

    python run_cnn_train.py --architecture resnet18 --dataset mnist
    python run_cnn_train.py --architecture resnet20 --dataset cifar10 --protocol released
    python run_cnn_train.py --architecture resnet18 --dataset mnist --epoch 3 --decay_every 1
    python run_cnn_train.py --architecture resnet18 --dataset digits

The paper's 500 epochs of MNIST or 200 of CIFAR-10 are for a GPU (mixed precision where it has it).
On 2 cores an epoch of MNIST takes ResNet-18 one to two minutes and VGG-18 ten, one of CIFAR-10
takes ResNet-20 two to three: cut --epoch, and with it --decay_every, the epochs until the learning
rate is lowered. Stopped or killed, the same command goes on where it was: the state is saved every
three minutes.

Out come runs/cnn/DATASET/architecture=A/repeat=R/ with epoch=NNNN.keras (the network), history.csv
and spec.json.
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("cnn_train", __doc__)
