"""Learning distances: batches of pairs and triplets by index arithmetic, losses and miners, and a Siamese trainer.

Batches are NumPy and serve any framework. Losses and miners are written in ``keras.ops``, so they run on TensorFlow,
JAX and PyTorch; Keras is imported only when one is called. An *anchor* is compared with a *positive*, another image of
its identity, and a *negative*, an image of another identity. A *proxy* is a trained vector that stands for an identity.

What is not as a function describes it, such as an option out of range or a batch of another kind, is an
:class:`~course_utils.errors.ArgumentError`.
"""

from course_utils.metric_learning.batches import PKBatches, pair_batches, triplet_batches
from course_utils.metric_learning.losses import (
    ArcFaceLoss,
    ProxyAnchorLoss,
    circle_loss,
    contrastive_loss,
    multi_similarity_loss,
    triplet_loss,
)
from course_utils.metric_learning.mining import batch_hard_triplets, semi_hard_triplets
from course_utils.metric_learning.trainer import SiameseTrainer

__all__ = [
    "ArcFaceLoss",
    "PKBatches",
    "ProxyAnchorLoss",
    "SiameseTrainer",
    "batch_hard_triplets",
    "circle_loss",
    "contrastive_loss",
    "multi_similarity_loss",
    "pair_batches",
    "semi_hard_triplets",
    "triplet_batches",
    "triplet_loss",
]
