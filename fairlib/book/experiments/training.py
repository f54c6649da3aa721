"""What the ledger asks of the chapter on training. First paper, section 3.3."""

import pandas as pd
from statsmodels.stats.proportion import proportion_confint
from torch import nn

from fairlib import data, ensemble, files, training
from fairlib.book import runner
from fairlib.book.experiments import headline, shared
from fairlib.intervals import over_seeds

TRAINED_ON = "results/seeds"
TEST_IMAGES = 10_000  # all trainings see the same


def accuracies() -> pd.DataFrame:
    """The recorded trainings: index `network`, `dataset`, `seed`; columns method and eps.

    Raises FileNotFoundError where a network has none yet.
    """
    rows = runner.results("seeds").query("what == 'trainings'")
    rows = rows.assign(accuracy=rows["right"] / rows["n"])
    table = rows.pivot_table("accuracy", index=["network", "dataset", "seed"], columns=["method", "eps"])
    return complete(table, "seeds")


def complete(table: pd.DataFrame, chapter: str) -> pd.DataFrame:
    """A chapter's records, indexed by `network`, `dataset` and more, in order; refused where a pair has none."""
    there = {pair[:2] for pair in table.index}
    if missing := [" on ".join(pair) for pair in shared.PAIRS if pair not in there]:
        raise FileNotFoundError(
            f"no results of {chapter} for {', '.join(missing)}; run `make reproduce ONLY={chapter}/`"
        )
    return table.sort_index()


def typical(network: str, dataset: str) -> int:
    """Which of the ten recorded trainings the book ships: the one whose defended accuracy at eps = 0.1 is nearest the
    ten's mean, so that a page's live run shows what is usual."""
    defended = accuracies()["defended"][0.1][network, dataset]
    return int((defended - defended.mean()).abs().idxmin())


def ship(network: str, dataset: str) -> None:
    """Train the ten networks of the records, and write the `typical` one's checkpoint; data/SHA256SUMS stays as it
    is."""
    models = ensemble.released(network, dataset, seeds=shared.SEEDS)
    seed, epochs = typical(network, dataset), training.RELEASED_EPOCHS[network]
    path = files.root() / "checkpoints" / f"{network}-{dataset}.safetensors"
    training.save(models[seed], path, dataset=dataset, seed=seed, epochs=epochs)


def estimates() -> dict[str, dict]:
    """The quantities that the ledger asks of this chapter (data/claims/README.md), from records and networks."""
    released = accuracies()["defenseless"][0.0]
    rows = runner.results("headline").query("what == 'printed rule'")
    printed = complete(rows.set_index(["network", "dataset", "seed"]), "headline")
    seeds = {"anchor": "training-verdict", "record": TRAINED_ON, "n": TEST_IMAGES}
    rule = {"anchor": "printed-rule-or-released-run", "record": "results/headline"}
    found = {}
    for network, name in shared.PAIRS:
        key, stopped = f"{network}/{name}/defenseless/eps=0/training=", printed.loc[network, name]
        found[f"{key}released"] = with_images(released[network, name]) | seeds
        found[f"{key}paper"] = with_images(stopped["right"] / stopped["n"]) | rule | {"n": TEST_IMAGES}
    for network in training.RELEASED_EPOCHS:
        harder = released[network, "MNIST"] - released[network, "FashionMNIST"]
        found[f"{network}/mnist_minus_fashion/eps=0"] = with_images(harder, released[network]) | seeds
        stopped = printed.loc[network, "MNIST"]["validation"] >= headline.STOP_AT
        share = shared.interval(stopped.mean(), *proportion_confint(stopped.sum(), len(stopped), method="beta"))
        borne = {"units": len(stopped), "basis": f"{len(stopped)} trainings"}
        found[f"{network}/MNIST/reached/training=paper"] = share | rule | borne
    epochs = training.RELEASED_EPOCHS["FullyConnected"] - training.RELEASED_EPOCHS["LeNet5"]
    counted = {key: shared.exact(value) for key, value in counts().items()}
    counted |= {"epochs/fc_minus_lenet/released": shared.exact(epochs), "epochs/fc_minus_lenet/text": shared.exact(0)}
    return found | {key: estimate | {"anchor": "training-verdict"} for key, estimate in counted.items()}


def with_images(values: pd.Series, shares: pd.Series | None = None) -> dict[str, float]:
    """The mean of one number per training and its interval, over trainings and over the test images that they share.

    `shares`: the accuracies of which `values` is a difference; left out, `values` themselves.
    """
    means = [values.mean()] if shares is None else shares.groupby(level=0).mean()
    return shared.with_images(over_seeds(values), sum(p * (1 - p) for p in means) / TEST_IMAGES)


def counts() -> dict[str, int]:
    """What is counted on the networks and on the split."""
    networks = {network: training.initialised(network, seed=0) for network in training.RELEASED_EPOCHS}
    linear = {n: [layer for layer in model.modules() if isinstance(layer, nn.Linear)] for n, model in networks.items()}
    maps = [layer for layer in networks["LeNet5"].modules() if isinstance(layer, nn.Conv2d)]
    (width,) = {layer.out_features for layer in linear["FullyConnected"][:-1]}
    return {
        "FullyConnected/linear_layers": len(linear["FullyConnected"]),
        "FullyConnected/hidden_width": width,
        "LeNet5/layers": len(linear["LeNet5"]) + len(maps),
        "LeNet5/linear_layers": len(linear["LeNet5"]),
        **{f"{name}/validation_images": validation_images(name) for name in data.DATASETS},
    }


def validation_images(dataset: str) -> int:
    """The official training images minus those that a network is trained on."""
    _, y = data.load(dataset, "train")
    return len(y) - len(data.train_validation(y, y)[0])
