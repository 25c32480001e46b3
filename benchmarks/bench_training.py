"""Seconds of a short training with the book's functions, beside Keras as it is.

Run it as ``python benchmarks/bench_training.py`` with the TensorFlow backend. Both train the same network on the same
random images, each in processes of its own that take turns; each one's fastest counts. The book's part is what
``set_seed`` does to the input pipelines, and what ``compile_classifier`` builds before the first step. The losses are
compared: they must be the same to the last bit.
"""

import os
import subprocess
import sys
import time

ROUNDS = 3
CASES = {"one epoch of 20 batches": (20, 1), "five epochs of 60 batches": (60, 5)}


def train(contender, n_batches, epochs):
    """Train once in this process; print the seconds and the last loss."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np
    from tensorflow.config.experimental import enable_op_determinism

    from course_utils import models, training

    rng = np.random.default_rng(0)
    x = rng.random((32 * n_batches, 32, 32, 3), dtype=np.float32)
    y = rng.integers(0, 10, len(x))
    if contender == "ours":
        training.set_seed(0)
        network = training.compile_classifier(models.strided_convnet())
    else:
        keras.utils.set_random_seed(0)
        enable_op_determinism()
        network = models.strided_convnet()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    start = time.perf_counter()
    history = network.fit(x, y, batch_size=32, epochs=epochs, verbose=0).history
    print(time.perf_counter() - start, history["loss"][-1])


def measured(contender, case):
    command = [sys.executable, __file__, contender, *map(str, CASES[case])]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(output[-2]), float(output[-1])


def main():
    for case in CASES:
        rounds = {"Keras": [], "ours": []}
        for _ in range(ROUNDS):
            for contender, found in rounds.items():
                found.append(measured(contender, case))
        losses = {loss for found in rounds.values() for _, loss in found}
        fastest = {contender: min(found)[0] for contender, found in rounds.items()}
        equal = "equal" if len(losses) == 1 else "DIFFER"
        print(
            f"{case}: Keras {fastest['Keras']:.2f} s, ours {fastest['ours']:.2f} s, "
            f"{fastest['Keras'] / fastest['ours']:.2f} times as fast; losses {equal}"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        train(sys.argv[1], *map(int, sys.argv[2:]))
    else:
        main()
