"""In batches as in one piece, and each training with images of its own."""

import torch

from fairlib import attacks, data, ensemble, evaluation
from fairlib.book.experiments.shared import BATCH, SEEDS, answers, attacked, distances, trainings
from fairlib.defenses import CentroidDefense


def test_batches_change_nothing(model, digits):
    x, y = (t[: BATCH + 20] for t in digits)
    defense = CentroidDefense(model, data.centroids("MNIST"), data.alphas("MNIST"))
    x_adv = attacked(model, x, y, 0.1)
    torch.testing.assert_close(x_adv, attacks.fgsm(model, x, y, eps=0.1))
    torch.testing.assert_close(distances(defense, x_adv), defense.distances(x_adv))
    with torch.no_grad():
        assert answers(model, x_adv).tolist() == model(x_adv).argmax(1).tolist()


def test_each_training_has_its_own_images(monkeypatch):
    monkeypatch.setattr(ensemble, "released", lambda network, dataset, *, seeds: [f"training {s}" for s in seeds])
    found = list(trainings("LeNet5", "MNIST", 20))
    assert [(seed, model) for seed, model, _ in found] == [(seed, f"training {seed}") for seed in SEEDS]
    for seed, _, (x, y) in found:
        expected = evaluation.draw(*data.load("MNIST", "test"), 20, seed=seed)
        assert torch.equal(x, expected[0]) and torch.equal(y, expected[1])
    assert not torch.equal(found[0][2][0], found[1][2][0])
