"""Milliseconds that a network in a page takes for one answer, in a headless Chromium, beside Keras in this process.

Run it as ``python benchmarks/bench_interactive.py``; it needs Chromium and Playwright. Each answer is a new picture;
what counts is the median of twenty after three that warm up. The promise is 100 ms for 437,026 parameters.
"""

import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from playwright.sync_api import sync_playwright

from course_utils import interactive, models
from course_utils.evaluation import time_call

NETWORKS = {
    "02 MLP": models.fashion_mlp,
    "06 strided": models.strided_convnet,
    "10 from scratch": models.svhn_dcnn,
    "10 fine-tuned": models.vgg_like,
    "10 doing better": lambda: models.compact_convnet((32, 64, 128), input_shape=(28, 28, 1)),
    "12 residual, depth 20": lambda: models.resnet_v1(20),
}
RUN = """([exported, size]) => {
    const network = course.network(exported), times = [];
    for (let i = 0; i < 23; i++) {
        const picture = Float32Array.from({ length: size }, Math.random), start = performance.now();
        network.predict(picture);
        times.push(performance.now() - start);
    }
    return times.slice(3).sort((a, b) => a - b);
}"""


def main():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    print(f"{'network':24}{'parameters':>12}{'page (ms)':>12}{'slowest':>10}{'Keras (ms)':>12}")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=flags)
        page = browser.new_page()
        for name in ("core.js", "network.js"):
            page.add_script_tag(content=interactive.assets()[name].decode())
        for name, build in NETWORKS.items():
            model = build()
            size = int(np.prod(model.input_shape[1:]))
            times = page.evaluate(RUN, [interactive.export(model), size])
            picture = np.random.default_rng(0).random((1, *model.input_shape[1:]), "float32")
            keras_ms = 1000 * time_call(lambda model=model, x=picture: model.predict_on_batch(x)).median
            median = times[len(times) // 2]
            print(f"{name:24}{model.count_params():12,}{median:12.1f}{times[-1]:10.1f}{keras_ms:12.1f}")
        browser.close()


if __name__ == "__main__":
    main()
