"""Samplers by their counts, triplets against brute force in NumPy, and training runs that must help retrieval."""

import importlib.util
import subprocess
import sys
from functools import partial
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.errors import ArgumentError
from course_utils.metric_learning import (
    ArcFaceLoss,
    PKBatches,
    ProxyAnchorLoss,
    SiameseTrainer,
    batch_hard_triplets,
    circle_loss,
    contrastive_loss,
    multi_similarity_loss,
    pair_batches,
    semi_hard_triplets,
    triplet_batches,
    triplet_loss,
)
from course_utils.retrieval import evaluate_retrieval


def numbered(ids):
    """Images that are their own index, so that a batch tells which ones were drawn."""
    return np.arange(len(ids))[:, None, None]


def drawn(batch):
    return batch[:, 0, 0]


def to_numpy(tensor):
    from keras import ops

    return ops.convert_to_numpy(tensor)


ragged_ids = st.lists(st.integers(0, 5), min_size=3, max_size=20).filter(
    lambda ids: len(set(ids)) > 1 and len(set(ids)) < len(ids)
)


# --- Batches ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(ids=ragged_ids, seed=st.integers(0, 1000))
def test_triplets_are_of_the_right_identities(ids, seed):
    ids = np.array(ids)
    batches = triplet_batches(numbered(ids), ids, batch_size=32, rng=np.random.default_rng(seed))
    for anchor, positive, negative in islice(batches, 3):
        anchor, positive, negative = drawn(anchor), drawn(positive), drawn(negative)
        assert (ids[anchor] == ids[positive]).all()
        assert (anchor != positive).all()
        assert (ids[anchor] != ids[negative]).all()


def test_triplets_are_drawn_evenly():
    """All triplets of one anchor come equally often (chi-square with a fixed seed), singles only as negatives."""
    ids = np.array([3, 1, 1, 2, 1, 2, 9])
    batches = triplet_batches(numbered(ids), ids, batch_size=60_000, rng=np.random.default_rng(0))
    anchor, positive, negative = map(drawn, next(batches))
    assert set(anchor) == {1, 2, 3, 4, 5}
    counts = np.bincount(anchor)[[1, 2, 3, 4, 5]]
    assert abs(counts - 12_000).max() < 500
    of_one = anchor == 1
    pairs = np.stack([positive[of_one], negative[of_one]])
    kinds, counts = np.unique(pairs, axis=1, return_counts=True)
    assert kinds.T.tolist() == [[p, n] for p in (2, 4) for n in (0, 3, 5, 6)]
    assert abs(counts - of_one.sum() / 8).max() < 200


@settings(max_examples=60, deadline=None)
@given(ids=ragged_ids, seed=st.integers(0, 1000))
def test_pairs_are_balanced(ids, seed):
    ids = np.array(ids)
    batches = pair_batches(numbered(ids), ids, batch_size=16, rng=np.random.default_rng(seed))
    for left, right, same in islice(batches, 3):
        left, right = drawn(left), drawn(right)
        assert same.sum() == 8
        np.testing.assert_array_equal(ids[left] == ids[right], same)
        assert (left != right).all()


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 7), min_size=4, max_size=8), seed=st.integers(0, 1000), k=st.integers(2, 4))
def test_pk_batches_hold_p_identities_of_k_different_images(sizes, seed, k):
    ids = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)) * 7, sizes))
    enough = sum(size >= k for size in sizes)
    options = {"n_identities": 3, "n_images": k, "rng": np.random.default_rng(seed)}
    if enough < 3:
        with pytest.raises(ArgumentError, match=r"at least|two images"):
            PKBatches(numbered(ids), ids, **options)
        return
    batches = PKBatches(numbered(ids), ids, **options)
    assert batches.n_left_out == len(sizes) - enough
    for batch, batch_ids in islice(batches, 5):
        assert len(set(drawn(batch))) == batches.batch_size == 3 * k
        np.testing.assert_array_equal(ids[drawn(batch)], batch_ids)
        _, counts = np.unique(batch_ids, return_counts=True)
        assert counts.tolist() == [k] * 3


def test_pk_sets_are_drawn_evenly():
    ids = np.repeat([0, 1], 5)
    batches = PKBatches(numbered(ids), ids, n_identities=2, n_images=3, rng=np.random.default_rng(0))
    sets = [frozenset(drawn(batch)[batch_ids == 0].tolist()) for batch, batch_ids in islice(batches, 5000)]
    counts = [sets.count(one) for one in set(sets)]
    assert len(counts) == 10
    assert max(abs(np.array(counts) - 500)) < 100


def test_the_same_rng_gives_the_same_batches_in_arrays_of_their_own():
    ids = np.repeat(np.arange(5), 3)

    def batches():
        return triplet_batches(numbered(ids), ids, batch_size=8, rng=np.random.default_rng(1))

    np.testing.assert_array_equal(*([np.stack(batch) for batch in islice(batches(), 4)] for _ in range(2)))
    kept = list(islice(batches(), 2))
    assert not np.shares_memory(kept[0][0], kept[1][0])


@pytest.mark.parametrize("sampler", [pair_batches, triplet_batches])
@pytest.mark.parametrize(
    ("ids", "message"),
    [([1, 2, 3, 4], "no identity with two images"), ([5, 5, 5, 5], "names 1 identities"), ([1, 1], "shape")],
)
def test_samplers_refuse_what_has_no_triplets(sampler, ids, message):
    with pytest.raises(ArgumentError, match=message):
        sampler(np.zeros((4, 2)), ids, batch_size=4, rng=np.random.default_rng(0))
    with pytest.raises(ArgumentError, match=message):
        PKBatches(np.zeros((4, 2)), ids, n_identities=2, n_images=2, rng=np.random.default_rng(0))


def test_samplers_check_their_options_at_once():
    images, ids = np.zeros((4, 2)), [1, 1, 2, 2]
    with pytest.raises(ArgumentError, match="batch_size is 3; it must be even"):
        pair_batches(images, ids, batch_size=3, rng=np.random.default_rng(0))
    with pytest.raises(ArgumentError, match="batch_size is 0"):
        triplet_batches(images, ids, batch_size=0, rng=np.random.default_rng(0))
    with pytest.raises(ArgumentError, match="rng is 7"):
        triplet_batches(images, ids, batch_size=4, rng=7)
    with pytest.raises(ArgumentError, match="2 identities have at least 2 images; n_identities is 3"):
        PKBatches(images, ids, n_identities=3, n_images=2, rng=np.random.default_rng(0))


# --- Losses -------------------------------------------------------------------------------------------------------


def brute_force_loss(a, p, n, margin):
    excess = np.linalg.norm(a - p) - np.linalg.norm(a - n)
    return np.log1p(np.exp(excess)) if margin == "soft" else max(excess + margin, 0)


@pytest.mark.parametrize("margin", [0.0, 0.3, 1.0, "soft"])
def test_triplet_loss_agrees_with_brute_force(margin):
    anchor, positive, negative = np.random.default_rng(3).standard_normal((3, 20, 4)).astype(np.float32)
    expected = [brute_force_loss(*row, margin) for row in zip(anchor, positive, negative, strict=True)]
    assert np.count_nonzero(expected) > 0
    loss = triplet_loss(anchor, positive, negative, margin=margin)
    np.testing.assert_allclose(to_numpy(loss), np.mean(expected), rtol=1e-5, atol=1e-6)


def batch(seed, n=12, n_ids=4):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 3)).astype(np.float32), rng.integers(0, n_ids, n)


@pytest.mark.parametrize("seed", range(8))
def test_batch_hard_agrees_with_brute_force(seed):
    embeddings, ids = batch(seed, n_ids=5)
    positive, negative, valid = map(to_numpy, batch_hard_triplets(embeddings, ids))
    distances = ((embeddings[:, None] - embeddings) ** 2).sum(axis=2)
    for i in range(len(ids)):
        positives = [j for j in range(len(ids)) if ids[j] == ids[i] and j != i]
        negatives = [j for j in range(len(ids)) if ids[j] != ids[i]]
        assert valid[i] == bool(positives and negatives)
        if valid[i]:
            assert positive[i] == max(positives, key=lambda j: distances[i, j])
            assert negative[i] == min(negatives, key=lambda j: distances[i, j])


@pytest.mark.parametrize("margin", [0.2, 1.0, "soft"])
def test_semi_hard_agrees_with_brute_force(margin):
    embeddings, ids = batch(1)
    negative, valid = map(to_numpy, semi_hard_triplets(embeddings, ids, margin=margin))
    distances = np.sqrt(((embeddings[:, None] - embeddings) ** 2).sum(axis=2))
    limit = np.inf if margin == "soft" else margin
    found = 0
    for a in range(len(ids)):
        for p in range(len(ids)):
            eligible = [
                n
                for n in range(len(ids))
                if ids[n] != ids[a] and distances[a, p] < distances[a, n] < distances[a, p] + limit
            ]
            assert valid[a, p] == bool(a != p and ids[a] == ids[p] and eligible)
            if valid[a, p]:
                found += 1
                assert negative[a, p] == min(eligible, key=lambda n: distances[a, n])
    assert 0 < found < len(ids) ** 2


@pytest.mark.parametrize("margin", [0.5, "soft"])
@pytest.mark.parametrize("mining", ["random", "batch_hard", "semi_hard"])
def test_the_trained_loss_agrees_with_brute_force(mining, margin):
    import keras

    branch = keras.Sequential([keras.Input((3,)), keras.layers.Activation("linear")])
    trainer = SiameseTrainer(branch, mining=mining, margin=margin)
    embeddings, ids = batch(2)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    if mining == "random":
        triplets = list(zip(embeddings[:4], embeddings[4:8], embeddings[8:], strict=True))
    elif mining == "batch_hard":
        rows = zip(*map(to_numpy, batch_hard_triplets(embeddings, ids)), strict=True)
        triplets = [embeddings[[a, p, n]] for a, (p, n, valid) in enumerate(rows) if valid]
    else:
        negative, valid = map(to_numpy, semi_hard_triplets(embeddings, ids, margin=margin))
        triplets = [embeddings[[a, p, negative[a, p]]] for a, p in np.argwhere(valid)]
    assert len(triplets) > 3
    expected = np.mean([brute_force_loss(*triplet, margin) for triplet in triplets])
    assert trainer.model.evaluate(embeddings, ids, batch_size=12, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_training_stays_finite_where_embeddings_coincide():
    """The distance has no gradient at zero: a collapsed batch must not turn the weights into NaN."""
    import keras

    branch = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    trainer = SiameseTrainer(branch, mining="batch_hard")
    images, ids = np.ones((8, 2), np.float32), np.repeat([0, 1], 4)
    trainer.fit(
        PKBatches(images, ids, n_identities=2, n_images=4, rng=np.random.default_rng(0)),
        steps_per_epoch=3,
        verbose=0,
    )
    assert np.isfinite(trainer.embed(images)).all()


# --- Training -----------------------------------------------------------------------------------------------------


def strangers(rng, n_identities, n_images, hidden):
    """A toy re-identification set: identity lives in a few directions, most of the variance does not."""
    identity = np.repeat(rng.standard_normal((n_identities, 4)), n_images, axis=0) @ hidden[:4]
    nuisance = 4 * rng.standard_normal((n_identities * n_images, 12)) @ hidden[4:]
    noise = 0.1 * rng.standard_normal(identity.shape)
    return (identity + nuisance + noise).astype(np.float32), np.repeat(np.arange(n_identities), n_images)


def top_1(features, ids):
    """Every item once the probe, left out of its own gallery."""
    cameras = np.arange(len(ids))
    return evaluate_retrieval(
        features,
        features,
        probe_ids=ids,
        gallery_ids=ids,
        probe_cameras=cameras,
        gallery_cameras=cameras,
        protocol="cross_camera",
    ).top(1)


LOSSES = {
    "contrastive": lambda ids, n_features: contrastive_loss,
    "circle": lambda ids, n_features: circle_loss,
    "multi-similarity": lambda ids, n_features: multi_similarity_loss,
    # Sixty proxies in eight dimensions have little room: a small scale, and larger steps below.
    "proxy-anchor": partial(ProxyAnchorLoss, scale=4.0),
    "ArcFace": partial(ArcFaceLoss, scale=8.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("mining", ["random", "batch_hard", "semi_hard", *LOSSES])
def test_training_makes_retrieval_of_unseen_identities_much_better(mining, tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    hidden = np.linalg.qr(rng.standard_normal((16, 16)))[0]
    x_train, train_ids = strangers(rng, 60, 8, hidden)
    x_test, test_ids = strangers(rng, 40, 4, hidden)
    branch = keras.Sequential([keras.Input((16,)), keras.layers.Dense(8)])
    what = {"loss": LOSSES[mining](train_ids, 8)} if mining in LOSSES else {"mining": mining, "margin": 0.5}
    rate = 0.03 if mining in ("proxy-anchor", "ArcFace") else 0.01
    trainer = SiameseTrainer(branch, **what, optimizer=keras.optimizers.Adam(rate))
    untrained = top_1(trainer.embed(x_test), test_ids)
    logged = importlib.util.find_spec("tensorflow")  # Keras' callback needs it, whatever the backend
    if mining == "random":
        batches = triplet_batches(x_train, train_ids, batch_size=64, rng=rng)
    else:
        batches = PKBatches(x_train, train_ids, n_identities=16, n_images=4, rng=rng)
    history = trainer.fit(
        batches,
        steps_per_epoch=40,
        epochs=5,
        verbose=0,
        callbacks=[keras.callbacks.TensorBoard(tmp_path / "logs")] if logged else [],
    )
    assert untrained < 0.4
    assert top_1(trainer.embed(x_test), test_ids) > untrained + 0.4
    assert len(history.history["loss"]) == 5
    assert not logged or list((tmp_path / "logs" / "train").iterdir())
    np.testing.assert_allclose(np.linalg.norm(trainer.embed(x_test), axis=1), 1, rtol=1e-5)


def test_identities_may_be_names_or_large_numbers():
    import keras

    images = np.random.default_rng(0).random((8, 3)).astype(np.float32)
    for ids in (np.repeat(["ann", "bo"], 4), np.repeat([2**40, 2**40 + 1], 4)):
        trainer = SiameseTrainer(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), margin=1.0)
        batches = PKBatches(images, ids, n_identities=2, n_images=3, rng=np.random.default_rng(0))
        loss = trainer.fit(batches, steps_per_epoch=1, verbose=0).history["loss"][0]
        assert loss > 0  # ids that float32 cannot tell apart would leave no negative, and a loss of 0


@pytest.mark.parametrize("loss_type", [ProxyAnchorLoss, ArcFaceLoss])
def test_proxies_are_trained_and_kept_with_the_network(loss_type, tmp_path):
    import keras

    rng = np.random.default_rng(0)
    names = np.repeat(["ann", "bo", "cy", "di"], 4)
    images = np.repeat(np.eye(4, dtype=np.float32), 4, axis=0) + 0.1 * rng.random((16, 4), dtype=np.float32)
    branch = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    loss = loss_type(names, 4, scale=8.0, seed=0)
    before = loss.proxies.get_weights()[0]
    trainer = SiameseTrainer(branch, loss=loss, optimizer=keras.optimizers.Adam(0.03))
    # Two of four people in each batch: whose proxy is whose must not depend on who is there.
    batches = PKBatches(images, names, n_identities=2, n_images=4, rng=rng)
    losses = trainer.fit(batches, steps_per_epoch=30, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    proxies = loss.proxies.get_weights()[0]
    assert not np.isclose(proxies, before).any()
    proxies /= np.linalg.norm(proxies, axis=1, keepdims=True)
    nearest = (trainer.embed(images) @ proxies.T).argmax(axis=1)
    assert loss.identities[nearest].tolist() == names.tolist()
    expected = float(loss(trainer.embed(images), loss.numbers(names)))
    evaluated = trainer.model.evaluate(images, loss.numbers(names), batch_size=16, verbose=0)
    assert evaluated == pytest.approx(expected, rel=1e-3)
    trainer.model.save(tmp_path / "network.keras")
    kept = keras.models.load_model(tmp_path / "network.keras", compile=False)
    np.testing.assert_allclose(kept.predict(images, verbose=0), trainer.embed(images), atol=1e-6)


@pytest.mark.parametrize("loss", [contrastive_loss, partial(circle_loss, scale=80.0), multi_similarity_loss])
def test_the_trainer_minds_its_loss(loss):
    import keras

    branch = keras.Sequential([keras.Input((3,)), keras.layers.Activation("linear")])
    trainer = SiameseTrainer(branch, loss=loss)
    embeddings, ids = batch(2)
    expected = float(loss(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), ids))
    assert trainer.model.evaluate(embeddings, ids, batch_size=12, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_trainer_names_what_does_not_fit():
    import keras

    images, ids = np.zeros((8, 3), np.float32), np.repeat([0, 1], 4)
    branch = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    rng = np.random.default_rng(0)
    with pytest.raises(ArgumentError, match="mining is 'hard'"):
        SiameseTrainer(branch, mining="hard")
    with pytest.raises(ArgumentError, match="margin is 'hard'"):
        SiameseTrainer(branch, margin="hard")
    with pytest.raises(ArgumentError, match="margin is -1"):
        triplet_loss(images, images, images, margin=-1)
    trainer = SiameseTrainer(branch, mining="batch_hard")
    with pytest.raises(ArgumentError, match="gives 3 arrays per batch; mining 'batch_hard' needs the 2"):
        trainer.fit(triplet_batches(images, ids, batch_size=4, rng=rng), steps_per_epoch=1)
    with pytest.raises(ArgumentError, match="branch returns shape"):
        SiameseTrainer(keras.Sequential([keras.Input((3, 2)), keras.layers.Dense(2)]))
    with pytest.raises(ArgumentError, match="loss is 'circle'; it must be a function"):
        SiameseTrainer(branch, loss="circle")
    with pytest.raises(ArgumentError, match="mining is 'random' and margin is 1.0; with a loss"):
        SiameseTrainer(branch, mining="random", loss=circle_loss)
    with pytest.raises(ArgumentError, match="loss has proxies of length 3; branch returns 2 numbers"):
        SiameseTrainer(branch, loss=ProxyAnchorLoss(ids, 3))
    trainer = SiameseTrainer(branch, loss=ProxyAnchorLoss([0, 7], 2))
    with pytest.raises(ArgumentError, match="gives 3 arrays per batch; a loss on labelled batches needs the 2"):
        trainer.fit(triplet_batches(images, ids, batch_size=4, rng=rng), steps_per_epoch=1)
    with pytest.raises(ArgumentError, match="ids has 1; it must be among the 2 identities"):
        trainer.fit(PKBatches(images, ids, n_identities=2, n_images=2, rng=rng), steps_per_epoch=1)


def test_sampling_does_not_import_keras():
    code = "import sys, course_utils.metric_learning; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
