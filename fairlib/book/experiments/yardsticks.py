"""Fairer than what? Worst-case training beside what else one would do for poor countries, in simulated worlds.

Second paper, sections 4.2 and 4.3. Beside the arms of `fairer` stand balanced sampling, weights, focal loss, group DRO,
two that do the same damage without an attack, and two that know where the shortcut is. Every one starts from the same
model and has the same images and as many steps. Only the oracles and the reading of the result know of the stamps.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fairlib import attacks, checks, dro, fairness, geography, intervals, perceptual, runtime, training
from fairlib.book import runner
from fairlib.book.experiments import bias_metric, fairer, shared
from fairlib.models import LayeredModel

IMAGES = {"embedded": 500, "paper": 2_000}  # that all arms train on
WORLDS = {"embedded": (5,), "paper": (5, 2)}  # with a first, and with a second start model
MODELS = 2  # of each arm at each point
POINTS = ((1e-3, 1), (1e-2, 3))  # learning rate, rounds T2 of Algorithm 3: of `frontier`'s a short one, and `fairer`'s
LAST = POINTS[-1]
ATTACKED = ("noise", "pgd", "perc", "ssim", "ours")  # Algorithms 2 and 3
KNOWN = ("balanced", "weighted", "focal", "group DRO")  # the yardsticks
DAMAGE = ("wrong labels", "strong noise")  # no attack, and about the accuracy of `ours`
ORACLES = ("no stamps", "never stamped", "stamps removed")
ARMS = ("start", "plain", *ATTACKED, *KNOWN, *DAMAGE, *ORACLES)
SHARES, STRONG = (0.2, 0.4, 0.6, 0.7), (32 / 255, 64 / 255, 96 / 255)  # of labels; of noise
HELD_OUT = 100  # images that every model is attacked on
PERMUTATIONS = 199


def units(profile: str) -> list[dict]:
    """A unit for each world and start model, the first start models before the second."""
    images, worlds = IMAGES[checks.one_of(profile, tuple(IMAGES), "profile")], WORLDS[profile]
    return [{"world": w, "start": start, "images": images} for start, n in enumerate(worlds) for w in range(n)]


def run(*, world: int, start: int, images: int) -> dict:
    """`rows`, one per arm and point (`alpha`, `rounds`): the `right` answers by country, summed over the models.

    At the last point also what `served` and `resisted` tell of them. The row of `start` has `n`, the held-out images by
    country, too, and what was chosen to do the damage of `ours`: the `share` of labels that are drawn at random, the
    `eps` of noise.
    """
    test, model = held_out_world(world), start_model(world, start)
    clean = geography.world("test", fairer.IMAGES, seed=world, shortcut=False)
    n = fairer.by_country(torch.ones_like(test.stamped), test.country)
    rows, chosen = [], {}
    for arm, point, models in trained(model, world, start, images, chosen):
        shown = clean if arm == "stamps removed" else test
        row = {"arm": arm, "alpha": point[0], "rounds": point[1], "models": len(models)}
        row["right"] = np.sum([fairer.by_country(fairer.right(m, shown.x, shown.y), test.country) for m in models], 0)
        row["right"] = row["right"].tolist()
        if point in (LAST, (0, 0)):
            row |= served(models, shown) | resisted(models[0], shown)
        rows.append(row)
    rows[0] |= {"n": n} | chosen
    return {"rows": rows}


def start_model(world: int, start: int, *, shortcut: bool = True) -> LayeredModel:
    """LeNet-5 trained plainly on a world, as `bias_metric.trained` does it; each further start draws anew."""
    if start == 0:
        return bias_metric.trained(world, shortcut=shortcut)
    seen, seed = geography.world("train", bias_metric.IMAGES, seed=world, shortcut=shortcut), 1_000 * start + world
    model, nobody = training.initialised("LeNet5", seed=seed), (seen.x[:1], seen.y[:1])
    options = {"epochs": bias_metric.EPOCHS, "stop_at": None, "lr": bias_metric.LR}
    training.fit(model, seen.x, seen.y, *nobody, **options, shuffle=runtime.generator(seed))
    return model


def held_out_world(world: int) -> geography.World:
    """The world's held-out images, on which everything is measured."""
    return geography.world("test", fairer.IMAGES, seed=world)


def trained(
    model: LayeredModel, world: int, start: int, images: int, chosen: dict
) -> Iterator[tuple[str, tuple[float, int], list[LayeredModel]]]:
    """Every arm's models at every point; into `chosen` goes what was found to do the damage of `ours`.

    What does it is chosen by the accuracy on `images` other training images, whose right answers `ours` comes nearest.
    """
    seen, own = geography.world("train", fairer.IMAGES, seed=world), 1_000_000 * world + 100_000 * start
    bare = geography.world("train", fairer.IMAGES, seed=world, shortcut=False)
    x, y, third = seen.x[:images], seen.y[:images], thirds(seen)[:images]
    yield "start", (0, 0), [model]
    yield "stamps removed", (0, 0), [model]
    yield "never stamped", (0, 0), [start_model(world, start, shortcut=False)]
    worst: list[LayeredModel] = []
    for i, arm in enumerate(ATTACKED):
        rob = worst_case(model, x, y, fairer.ARMS[arm], own + i)
        for point in POINTS:
            models = algorithm3(model, rob, point, own + 10 * (i + 1))
            worst = models if (arm, point) == ("ours", LAST) else worst
            yield arm, point, models
    ways = {
        "plain": (x, dro.plain, None),
        "balanced": (x, dro.plain, dro.balancing_weights(seen.country[:images])),
        "weighted": (x, dro.weighted(dro.balancing_weights(seen.country[:images])), None),
        "focal": (x, dro.focal(), None),
        "group DRO": (x, dro.GroupDRO(third), dro.balancing_weights(third)),
        "no stamps": (bare.x[:images], dro.plain, None),
    }
    for i, (arm, (pictures, objective, law)) in enumerate(ways.items(), start=len(ATTACKED)):
        for point in POINTS:
            yield arm, point, yardstick(model, pictures, y, objective, law, point, own + 10 * (i + 1))
    check = seen.x[images : 2 * images], seen.y[images : 2 * images]

    def as_good(tried: dict[float, list[LayeredModel]]) -> float:
        right = {key: np.mean([int(fairer.right(m, *check).sum()) for m in models]) for key, models in tried.items()}
        goal = np.mean([int(fairer.right(m, *check).sum()) for m in worst])
        return min(right, key=lambda key: abs(right[key] - goal))

    g, wrong, strong = runtime.generator(own + 200), {}, {}
    for share in SHARES:
        lots = torch.rand(images, generator=g), torch.randint(10, (images,), generator=g)
        labels = torch.where(lots[0] < share, lots[1], y)
        wrong[share] = yardstick(model, x, labels, dro.plain, None, LAST, own + 210)
    chosen["share"] = as_good(wrong)
    yield "wrong labels", LAST, wrong[chosen["share"]]
    for i, eps in enumerate(STRONG):
        noise = partial(noise_of, eps=eps)
        strong[eps] = algorithm3(model, worst_case(model, x, y, noise, own + 300 + i), LAST, own + 310)
    chosen["eps"] = as_good(strong)
    yield "strong noise", LAST, strong[chosen["eps"]]


def noise_of(generator: torch.Generator, *, eps: float) -> dro.Attack:
    """The attack of random signs."""
    return partial(attacks.random_sign, eps=eps, generator=generator)


def worst_case(model: LayeredModel, x: Tensor, y: Tensor, attack: Callable, seed: int) -> dro.WeightedImages:
    """Algorithm 2, as `fairer` has it."""
    g = runtime.generator(seed)
    options = {"iterations": fairer.T1, "lr": fairer.ALPHA, "batch_size": fairer.BATCH, "generator": g}
    return dro.adversarial_data(model, x, y, attack=attack(g), **options)


def algorithm3(model: LayeredModel, rob: dro.WeightedImages, point: tuple[float, int], seed: int) -> list[LayeredModel]:
    """Algorithm 3 at a point, a model per seed."""
    seeds = [1 + seed + i for i in range(MODELS)]
    return dro.train_many(model, rob, seeds=seeds, lr=point[0], rounds=point[1], batch_size=fairer.BATCH)


def yardstick(
    model: LayeredModel,
    x: Tensor,
    y: Tensor,
    objective: dro.Objective,
    law: Tensor | None,
    point: tuple[float, int],
    seed: int,
) -> list[LayeredModel]:
    """As many steps as Algorithm 3 takes, T2 (T1 + 1) rounds of the images; sampled by the `law`."""
    data = dro.WeightedImages(x, y, torch.ones(len(x), dtype=torch.float64) if law is None else law)
    options = {"lr": point[0], "rounds": point[1] * (fairer.T1 + 1), "batch_size": fairer.BATCH}
    generators = [runtime.generator(1 + seed + i) for i in range(MODELS)]
    return [dro.fine_tune(model, data, objective=objective, generator=g, **options) for g in generators]


def thirds(world: geography.World) -> Tensor:
    """Each image's third of its country's wealth: 0 the poorest, 2 the richest."""
    names = fairness.thirds(world.table["log_gdp"].to_numpy(), list(world.table.index))
    return torch.tensor([fairness.THIRDS.index(name) for name in names])[world.country]


def served(models: list[LayeredModel], test: geography.World) -> dict:
    """Of the models' means: `odds`, the equalised odds of the thirds, and `worst`, the accuracy of the worst country.

    Each beside the median that chance gives. `hits`: by third the models' right answers in each class.
    """
    third, odds, worst, hits = thirds(test), [], [], np.zeros((3, 10), dtype=int)
    for model in models:
        called = answers(model, test.x)
        found = fairness.equalised_odds(
            test.y.numpy(), called.numpy(), third.numpy(), permutations=PERMUTATIONS, seed=0
        )
        odds.append([found.difference, found.chance[0]])
        right = (called == test.y).numpy()
        least = fairness.extremes(right, test.codes, classes=test.y.numpy(), permutations=PERMUTATIONS, seed=0)
        worst.append([least.worst_accuracy, least.chance_worst[0]])
        np.add.at(hits, (third[right].numpy(), test.y[right].numpy()), 1)
    rounded = {"odds": np.mean(odds, 0), "worst": np.mean(worst, 0)}
    return {key: value.round(4).tolist() for key, value in rounded.items()} | {"hits": hits.tolist()}


def answers(model: LayeredModel, x: Tensor) -> Tensor:
    """The classes that the model gives to x (N, 1, 28, 28): (N,)."""
    with torch.no_grad():
        return torch.cat([model(batch).argmax(1) for batch in x.split(100)])


# What every model is attacked with: the arms' attacks, and one that no arm was trained on.
UNSEEN = "APGD"
TRIED: dict[str, dro.Attack] = {
    "pgd": attacks.pgd_l2,
    "perc": partial(attacks.perc_al, iterations=fairer.PERC_STEPS),
    "ssim": partial(attacks.ssim_step, length=fairer.SSIM_LENGTH),
    "ours": partial(attacks.perceptual, cost=perceptual.distance("SSIM")),
    UNSEEN: lambda model, x, y: attacks.apgd(
        model, x, y, eps=fairer.NOISE, iterations=20, generator=runtime.generator(0)
    ),
}


def resisted(model: LayeredModel, test: geography.World) -> dict:
    """On the first held-out images: `known` of them are right, and of these each attack turns `turned`.

    `length`: the mean L2 length of what turned them. `phi`: the mean surrogate, loss minus 1 - SSIM (lambda = 1), at
    the images and where Algorithm 1 gets without an early stop.
    """
    x, y, cost = test.x[:HELD_OUT], test.y[:HELD_OUT], perceptual.distance("SSIM")
    right, turned, length = fairer.right(model, x, y), {}, {}
    for name, attack in TRIED.items():
        x_adv = attack(model, x, y)
        hit = right & ~fairer.right(model, x_adv, y)
        turned[name] = int(hit.sum())
        length[name] = round(float((x_adv - x)[hit].flatten(1).norm(dim=1).mean()), 3) if hit.any() else None
    options = {"confidence": 1e6, "iterations": 20, "quantise": "straight_through"}
    highest = attacks.perceptual(model, x, y, cost=cost, **options)
    phi = [round(float(surrogate(model, x, one, y, cost).mean()), 3) for one in (x, highest)]
    return {"known": int(right.sum()), "turned": turned, "length": length, "phi": phi}


def surrogate(model: LayeredModel, x: Tensor, x_adv: Tensor, y: Tensor, cost: perceptual.Distance) -> Tensor:
    """phi of equation (4) with lambda = 1, image by image: (N,)."""
    with torch.no_grad():
        return attacks.cross_entropy(model(x_adv), y) - cost.between(cost.features(x), x_adv)


# --- What the records say. --------------------------------------------------------------------------------------------


def recorded() -> pd.DataFrame:
    """The rows of all units, those with most images where both profiles were run; FileNotFoundError without records."""
    return shared.largest(runner.results("yardsticks"), ["world", "start"])


@cache
def wealth() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The countries' log GDP, and which of them are in each third."""
    log_gdp = geography.shares()["log_gdp"]
    found = fairness.thirds(log_gdp.to_numpy(), list(log_gdp.index))
    return log_gdp.to_numpy(), {name: found == name for name in fairness.THIRDS}


def told(right: np.ndarray, n: np.ndarray) -> dict[str, float]:
    """Of right answers (41,) among n (41,): `accuracy`, `slope`, `poorest` and `gap`, the richest third less that."""
    log_gdp, thirds = wealth()
    in_third = [right[own].sum() / n[own].sum() for own in thirds.values()]
    table = pd.DataFrame({"log_gdp": log_gdp, "n": n, "accuracy": right / np.maximum(n, 1)})[n > 0]
    found = {"accuracy": right.sum() / n.sum(), "slope": fairness.slope(table).slope}
    return found | {"poorest": in_third[0], "gap": in_third[2] - in_third[0]}


def measured() -> pd.DataFrame:
    """Of each unit, arm and point what is `told` of the models' mean; at the last point all else that was recorded.

    `odds` and `worst` are beside chance: `odds_beyond` is the first less its median by chance, `worst_beyond` the
    second. `turned/...` and `length/...` by attack; `phi`, `phi_attacked`.
    """
    rows = []
    for _, unit in recorded().groupby(["world", "start"]):
        n = np.array(unit.query("arm == 'start'")["n"].iloc[0])
        for row in unit.to_dict("records"):
            found = {key: row[key] for key in ("world", "start", "arm", "alpha", "rounds")}
            found |= told(np.array(row["right"]) / row["models"], n)
            if isinstance(row["turned"], dict):
                for key in ("odds", "worst"):
                    found |= {key: row[key][0], f"{key}_beyond": row[key][0] - row[key][1]}
                found |= {f"turned/{name}": hit / row["known"] for name, hit in row["turned"].items()}
                found |= {f"length/{name}": length for name, length in row["length"].items()}
                found |= dict(zip(("phi", "phi_attacked"), row["phi"], strict=True))
            rows.append(found)
    return pd.DataFrame(rows)


def by_world(found: pd.DataFrame, column: str, at: tuple[float, int] = LAST) -> pd.DataFrame:
    """A column of `measured` at a point: a row per world, the mean of its start models, and a column per arm."""
    there = [pair in (at, (0, 0)) for pair in zip(found["alpha"], found["rounds"], strict=True)]
    wide = found[there].pivot_table(column, ["world", "start"], "arm", sort=False)
    return wide.groupby("world").mean()[[arm for arm in ARMS if arm in wide]]


def over_worlds(wide: pd.DataFrame, less: str | None = None) -> pd.DataFrame:
    """By arm `value`, `low`, `high` over worlds, of each world's number less that of another arm where one is given."""
    own = wide if less is None else wide.sub(wide[less], axis=0).drop(columns=less)
    return pd.DataFrame({arm: intervals.over_seeds(own[arm]) for arm in own}).T
