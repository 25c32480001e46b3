"""Draws the picture of the front page, ``book/_static/hero.png``: run it by hand, ``python book/hero.py``.

Left: a photograph and its edges, as in chapter 01. Middle: test images of Fashion-MNIST with a bar for each of the ten
probabilities that the kept network of chapter 02 gives, the right class dark. Right: its embedding, flattened by t-SNE.
"""

from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.manifold import TSNE

from course_utils import datasets, evaluation, images, models, plots, training, weights
from course_utils.convolution import convolve, named_kernel

plots.use_style()
grey = images.resize(load_sample_image("flower.jpg")[None, :, 106:533], (200, 200))[0, :, :, 0].astype(float)
edges = np.clip(convolve(grey, named_kernel("edge"), padding="same") + 128, 0, 255)
data = datasets.load("fashion_mnist", train_limit=10, test_limit=1000, seed=0)
x = images.to_float(data.x_test)
network = models.fashion_mlp()
weights.restore(network, "02_fashion_mlp/mlp")
probabilities = evaluation.softmax(training.predictor(network)(x))
hidden = keras.Model(network.inputs, network.get_layer("embedding").output)
flat = TSNE(2, init="pca", random_state=0).fit_transform(training.predictor(hidden)(x))

figure = plt.figure(figsize=(9, 3.4), layout="constrained")
left, middle, right = figure.subfigures(1, 3, width_ratios=(1.3, 2, 2.1))
for ax, picture in zip(left.subplots(2, 1), (grey, edges), strict=True):
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
    ax.set_axis_off()
# The surest answers, the least sure ones, and what lies between.
shown = np.sort(probabilities, axis=1)[:, -1].argsort()[np.linspace(0, 999, 4).astype(int)]
for (image, bars), k in zip(middle.subplots(4, 2, width_ratios=(1, 2)), shown, strict=True):
    image.imshow(data.x_test[k, ..., 0], cmap="gray")
    right_class = np.arange(10) == data.y_test[k]
    bars.bar(range(10), probabilities[k], color=np.where(right_class, plots.PALETTE[0], "#bbbbbb"))
    bars.set(ylim=(0, 1))
    image.set_axis_off()
    bars.set_axis_off()
ax = right.subplots()
for k in range(10):
    points = flat[data.y_test == k]
    ax.scatter(*points.T, s=12, lw=0, color=plots.CLASS_COLOURS[k], marker=plots.MARKERS[k])
ax.set_axis_off()
figure.savefig(Path(__file__).parent / "_static" / "hero.png", dpi=130)
