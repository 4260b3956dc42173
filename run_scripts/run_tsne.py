"""Draw a map of the neural codes of one network: t-SNE by Hamming distance (Figure 1).

    python run_tsne.py --dataset mnist --width 100
    python run_tsne.py --dataset digits --width 80
    python run_tsne.py --dataset cifar10 --model my_model.keras --examples 5000

Of a network that run_layer_width_train_mlp.py trained, or any saved Keras model that takes the
images of the dataset. Neighbors are exact. Time on 2 cores: a minute for 10,000 images.

Out come figure_1_DATASET.png and .svg in runs/figures/, and the place of each image (.csv).
"""

from tfhash import cli

if __name__ == "__main__":
    cli.main("tsne", __doc__)
