"""A smaller slope, or a worse model? Slope against accuracy for each attack, along the training of Algorithm 3.

Second paper, sections 4.2 and 4.3. For the chapter `fairer`, whose world, start model and first data sets these are,
and which reads the records.
"""

from fairlib import checks, dro, geography, runtime, training
from fairlib.book.experiments import fairer

ATTACKS = ("pgd", "perc", "ours")  # the paper's three arms
SETS, MODELS = 3, 5  # data sets of each arm, models of each at every point
# Algorithm 3's learning rate and rounds T2, from hardly any training to what `fairer` does. A round takes M steps.
POINTS = ((3e-5, 1), (1e-4, 1), (3e-4, 1), (1e-3, 1), (1e-2, 1), (1e-2, 3))
IMAGES = {"embedded": 2_000, "paper": 10_000}  # that Algorithm 2 starts from


def units(profile: str) -> list[dict]:
    """A unit for each of an arm's data sets."""
    images = IMAGES[checks.one_of(profile, tuple(IMAGES), "profile")]
    return [{"arm": arm, "seed": seed, "images": images} for arm in ATTACKS for seed in range(SETS)]


def run(*, arm: str, seed: int, images: int) -> dict:
    """`rows`: for each point `alpha`, `rounds` and `model` how many held-out images come out `right`, by country.

    The data set is `fairer`'s of the same arm, seed and number of images.
    """
    checks.one_of(arm, ATTACKS, "arm")
    world, test = (geography.world(split, fairer.IMAGES, seed=fairer.WORLD) for split in ("train", "test"))
    model = training.shipped(*fairer.START)
    own = 1_000 * (list(fairer.ARMS).index(arm) * 1_000 + seed)
    g = runtime.generator(own)
    options = {"iterations": fairer.T1, "lr": fairer.ALPHA, "batch_size": fairer.BATCH, "generator": g}
    rob = dro.adversarial_data(model, world.x[:images], world.y[:images], attack=fairer.ARMS[arm](g), **options)
    seeds = [own + 1 + i for i in range(MODELS)]
    rows = []
    for alpha, rounds in POINTS:
        trained = dro.train_many(model, rob, seeds=seeds, lr=alpha, rounds=rounds, batch_size=fairer.BATCH)
        for i, one in enumerate(trained):
            right = fairer.by_country(fairer.right(one, test.x, test.y), test.country)
            rows.append({"alpha": alpha, "rounds": rounds, "model": i, "right": right})
    return {"rows": rows}
