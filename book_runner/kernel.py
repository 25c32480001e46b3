"""Kernels that run the chapters faster, to the same numbers: what they are started with, and their IPython extension.

``COURSE_TUNED_KERNELS=0`` in the environment switches all of it off.

Keras' input pipelines tune themselves on the TensorFlow backend. The thread that does so sleeps 10 ms, 20 ms, 40 ms, …,
and on a machine with few cores nothing wakes it when the data end: ``fit`` then waits at the end of an epoch, for as
long again as the epoch took at worst. Keras has no switch for it. The numbers stay the same to the bit.

glibc gives large blocks of memory back to the system after each training step and takes them again, which costs some
networks a third of their time in page faults. The process keeps them instead; other C libraries ignore the setting.
"""

import contextlib
import functools
import os
import sys

__all__ = ["load_ipython_extension", "start_options", "stop_tuning_pipelines"]

_KEEP_MEMORY = (
    "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=34359738368:"
    "glibc.malloc.top_pad=268435456:glibc.malloc.hugetlb=1"
)


def start_options():
    """Say what a kernel is started with: arguments of its command line, and variables of its environment."""
    if os.environ.get("COURSE_TUNED_KERNELS") == "0":
        return [], {}
    return ["--ext=book_runner.kernel"], {"GLIBC_TUNABLES": os.environ.get("GLIBC_TUNABLES", _KEEP_MEMORY)}


def load_ipython_extension(ipython):
    """Call :func:`stop_tuning_pipelines` before the first cell that finds Keras imported.

    A kernel started with ``--ext=book_runner.kernel`` calls this with its shell.
    """

    def before_cell(*_):
        if "keras" in sys.modules:
            ipython.events.unregister("pre_run_cell", before_cell)
            stop_tuning_pipelines()

    ipython.events.register("pre_run_cell", before_cell)


def stop_tuning_pipelines():
    """Switch off tf.data's autotuning in the data sets that Keras makes of arrays, generators and ``PyDataset``.

    Nothing happens on the other backends, or after a second call.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return
    # If Keras moves these classes, only speed is lost, and the test of this says so.
    with contextlib.suppress(ImportError):
        from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
        from keras.src.trainers.data_adapters.generator_data_adapter import GeneratorDataAdapter
        from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

        for adapter in (ArrayDataAdapter, GeneratorDataAdapter, PyDatasetAdapter):
            if not hasattr(adapter.get_tf_dataset, "__wrapped__"):
                adapter.get_tf_dataset = _without_tuning(adapter.get_tf_dataset)


def _without_tuning(get_tf_dataset):
    @functools.wraps(get_tf_dataset)
    def without_tuning(adapter):
        dataset = get_tf_dataset(adapter)
        options = type(dataset.options())()  # tf.data.Options; those of a data set cannot be changed
        options.autotune.enabled = False
        return dataset.with_options(options)

    return without_tuning
