"""The attack lab computes what `fairlib` computes, on 200 cases; and it does what its controls say."""

import copy
import io

import numpy as np
import pytest
import torch
from labs_pages import lab, says
from PIL import Image

from fairlib import attacks, data, runtime, training
from fairlib.book.labs.attack import NETWORKS, SHOWN
from fairlib.defenses import CentroidDefense

EPS = (0.0, 0.05, 0.1, 0.2, 0.3)
EACH = 50  # cases of each network and data set
COMPUTED = """async ({ key, images, labels, eps, iterations, ties }) => {
  const [architecture, set] = key.split('/')
  const { alpha, centroids } = fairlib.attack.sets[set]
  const net = labs.network(architecture, fairlib.attack.networks[key])
  const look = labs.looker(net, labs.images(Float32Array.from(labs.bytes(centroids), byte => byte / 255)))
  return images.map((pixels, i) => {
    const x = labs.images(Float32Array.from(pixels))
    const gradient = labs.gradient(net, x, [labels[i]])
    const point = iterations[i]
      ? labs.pgd(net, x, [labels[i]], eps[i], {iterations: iterations[i], size: eps[i] / 4})
      : labs.fgsm(x, gradient.sign(), eps[i])
    const { answers: [answer], distances: [distance] } = look(point)
    const { votes, winner } = labs.vote(distance, alpha, {ties: ties[i]})
    return {gradient: [...gradient.dataSync()], answer, votes, winner}
  })
}"""

DROPPED = """bytes => {
  const dataTransfer = new DataTransfer()
  dataTransfer.items.add(new File([new Uint8Array(bytes)], 'dropped.png', {type: 'image/png'}))
  document.querySelector('[data-drop]').dispatchEvent(new DragEvent('drop', { dataTransfer, cancelable: true }))
}"""
# How often the attacked image is painted from now on, in `window.painted`.
PAINTED = """() => {
  const { putImageData } = CanvasRenderingContext2D.prototype
  CanvasRenderingContext2D.prototype.putImageData = function (...all) {
    window.painted += this.canvas.dataset.picture === 'attacked'
    return putImageData.apply(this, all)
  }
  window.painted = 0
}"""


def defense_of(network: str, dataset: str, **options) -> CentroidDefense:
    model = training.shipped(network, dataset)
    return CentroidDefense(model, data.centroids(dataset), data.alphas(dataset), **options)


def margin_gradient(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """Of the margin, by the definition: log of the sum of exp(z_j), j not y, minus z_y."""
    x = x.clone().requires_grad_()
    z = model(x)
    others = z.scatter(1, y[:, None], -torch.inf).logsumexp(1)
    return torch.autograd.grad((others - z.gather(1, y[:, None])[:, 0]).sum(), x)[0].flatten(1).numpy()


@pytest.mark.parametrize("dataset", data.DATASETS)
@pytest.mark.parametrize("network", NETWORKS)
def test_it_agrees_with_the_package(page, one_thread, network, dataset):
    """Gradients within a thousandth of each image's largest, answers to three decimals, votes and classes exactly."""
    x, y = (part[200 : 200 + EACH] for part in data.load(dataset, "test"))  # not those that the page has
    eps = [EPS[i % len(EPS)] for i in range(EACH)]
    iterations = [7 * (i % 3 == 0) for i in range(EACH)]  # 0 for FGSM
    ties = [("lowest", "highest", "closest")[i % 4 % 3] for i in range(EACH)]
    case = {"images": x.flatten(1).tolist(), "labels": y.tolist(), "eps": eps, "iterations": iterations}
    found = page.evaluate(COMPUTED, {"key": f"{network}/{dataset}", "ties": ties, **case})

    model = training.shipped(network, dataset)
    gradients = attacks.fgsm.__globals__["input_gradient"](model, x, y).flatten(1).numpy()
    exact = margin_gradient(copy.deepcopy(model).double(), x.double(), y)
    for i, case in enumerate(found):
        # A unit on the edge may lie on either side in float32; then the page is on the side of float64.
        edge = np.abs(gradients[i] - exact[i]).max() > 1e-3 * np.abs(exact[i]).max()
        assert not edge or (dataset, network, i) == ("FashionMNIST", "LeNet5", 21)
        right = exact[i] if edge else gradients[i]
        assert np.abs(case["gradient"] - right).max() < 1e-3 * np.abs(right).max()
        one = x[i : i + 1], y[i : i + 1]
        if iterations[i]:
            x_adv = attacks.pgd(model, *one, eps=eps[i], step_size=eps[i] / 4, iterations=iterations[i])
        else:
            x_adv = attacks.fgsm(model, *one, eps=eps[i])
        with torch.no_grad():
            answer = model(x_adv)[0]
        assert case["answer"] == pytest.approx(answer.tolist(), abs=5e-4)
        assert np.argmax(case["answer"]) == answer.argmax()
        defense = defense_of(network, dataset, ties=ties[i])
        assert case["votes"] == defense.tally(x_adv)[0].int().tolist()
        assert case["winner"] == defense.predict(x_adv)[0]


def expected(network: str, dataset: str, image: int, eps: float, iterations: int = 0) -> tuple[int, int, list[int]]:
    """What the network and the defence say of an attacked test image, and the votes."""
    x, y = (part[image : image + 1] for part in data.load(dataset, "test"))
    defense = defense_of(network, dataset)
    if iterations:
        x_adv = attacks.pgd(defense.model, x, y, eps=eps, step_size=eps / 4, iterations=iterations)
    else:
        x_adv = attacks.fgsm(defense.model, x, y, eps=eps)
    with torch.no_grad():
        return int(defense.model(x_adv).argmax()), int(defense.predict(x_adv)), defense.tally(x_adv)[0].int().tolist()


def shown(page, column: int) -> list[str]:
    return page.evaluate(f"[...document.querySelectorAll('.lab tbody tr')].map(r => r.cells[{column}].textContent)")


def test_a_known_image_has_the_known_answer(page, one_thread):
    """Set with the keyboard alone, it says and shows what the package finds."""
    network, defence, votes = expected("LeNet5", "MNIST", 4, 0.25)
    assert network != data.load("MNIST", "test")[1][4], "the case is one in which the attack succeeds"
    page.locator("[name=image]").fill("4")
    eps = page.locator("[name=eps]")
    eps.focus()
    for _ in range(15):
        eps.press("ArrowRight")
    said = page.locator(".lab-spoken")
    says(page, "0.25", ".lab-spoken")
    assert f"more than 0.25, it says {network} (" in said.text_content()
    assert f"The defence says {defence if defence >= 0 else 'nobody'}" in said.text_content()
    assert said.text_content() == page.locator(".lab-answer").text_content()
    assert [int(text) for text in shown(page, 7)] == votes
    rows = page.locator(".lab tbody tr").all_text_contents()
    assert [row.count("●") for row in rows] == votes


def test_the_first_example_is_right_before_it_is_attacked(page, one_thread):
    """It is the first image that both networks and the defence get right as it is, in both data sets."""
    right = torch.ones(100, dtype=torch.bool)
    for dataset in data.DATASETS:
        x, y = (part[:100] for part in data.load(dataset, "test"))
        for network in NETWORKS:
            defense = defense_of(network, dataset)
            with torch.no_grad():
                right &= (defense.model(x).argmax(1) == y) & (defense.predict(x) == y)
    assert int(right.nonzero()[0]) == SHOWN == int(page.locator("[name=image]").input_value())


def test_many_steps_are_taken_until_they_are_done(page, one_thread):
    network, _, votes = expected("FullyConnected", "FashionMNIST", 9, 0.1, 12)
    names = data.CLASSES["FashionMNIST"]
    page.select_option("[name=set]", "FashionMNIST")
    page.select_option("[name=network]", "FullyConnected")
    page.select_option("[name=attack]", "pgd")
    page.locator("[name=image]").fill("9")
    page.locator("[name=iterations]").fill("12")
    says(page, "step 12 of 12", ".lab-spoken")
    assert f"it says {names[network]} (" in page.locator(".lab-answer").text_content()
    assert [int(text) for text in shown(page, 8)] == votes


def test_the_curve_counts_right_answers(page, one_thread):
    x, y = (part[:100] for part in data.load("MNIST", "test"))
    defense = defense_of("LeNet5", "MNIST")
    x_adv = attacks.fgsm(defense.model, x, y, eps=0.2)
    with torch.no_grad():
        network = int((defense.model(x_adv).argmax(1) == y).sum())
    defence = int((defense.predict(x_adv) == y).sum())
    page.wait_for_selector(".lab[data-swept=true]", timeout=120_000)
    page.locator("[name=eps]").fill("0.2")
    words = page.locator(".lab-curve-words")
    says(page, "0.20", ".lab-curve-words")
    assert f"is right on {network} (" in words.text_content()
    assert f"on {defence} (95 %" in words.text_content().split("of 100 images")[1]


def test_thresholds_move_the_votes(page):
    page.locator("summary", has_text="Thresholds").click()
    for i in range(10):
        page.locator("[name=alpha]").nth(i).fill("1" if i == 6 else "0")
    says(page, "The defence says 6: 6 of 6")
    page.locator("[name=alpha]").nth(6).fill("0")
    says(page, "The defence says nobody")
    page.locator("[name=nobody]").uncheck()
    page.select_option("[name=ties]", "highest")
    says(page, "The defence says 9")
    page.get_by_text("As in the paper").click()
    page.wait_for_function("document.querySelector('[name=alpha]').value === '0.3'")


def picture(width: int, height: int, value: int = 0) -> dict:
    png = io.BytesIO()
    image = Image.new("L", (width, height), value)
    image.putpixel((width // 2, height // 2), 255 - value)
    image.save(png, "PNG")
    return {"name": "mine.png", "mimeType": "image/png", "buffer": png.getvalue()}


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (picture(20, 40), "mine.png has 20 x 40 pixels; choose a picture of 28 x 28 or more."),
        ({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"words"}, "notes.txt is no picture"),
        (picture(28, 28), "mine.png: made grey and 28 x 28."),
        (picture(60, 40, 255), "cut to the square in its middle, light and dark swapped"),
    ],
    ids=["too small", "no picture", "right size", "photograph"],
)
def test_a_file_gets_a_sentence(page, file, sentence):
    page.locator("[name=file]").set_input_files(file)
    page.wait_for_function("document.querySelector('.lab-alert').textContent !== ''")
    assert sentence in page.locator(".lab-alert").text_content()
    own = page.locator("[data-picture=clean]").get_attribute("aria-label") == "Your picture, 28 x 28 pixels"
    assert own == ("made grey" in sentence or "swapped" in sentence)


def test_a_picture_is_dropped(page, one_thread):
    """A test image that the page does not have, dropped as a file, gets the package's answers and votes."""
    network, defence, votes = expected("LeNet5", "MNIST", 250, 0.1)
    x, y = (part[250] for part in data.load("MNIST", "test"))
    png = io.BytesIO()
    Image.fromarray((255 * x[0]).round().byte().numpy()).save(png, "PNG")
    page.evaluate(DROPPED, list(png.getvalue()))
    said = says(page, f"more than 0.10, it says {network} (")
    assert page.locator(".lab-alert").text_content() == "dropped.png: made grey and 28 x 28."
    assert page.locator("[name=truth]").input_value() == str(int(y)), "what the network says of it as it is"
    assert f"The defence says {defence if defence >= 0 else 'nobody'}" in said
    assert [int(text) for text in shown(page, 7)] == votes


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_steps_are_not_shown_to_who_wants_nothing_to_move(chromium, pages, motion):
    with lab(chromium, pages, "attack", reduced_motion=motion) as (page, wrong):
        page.locator("[name=iterations]").fill("40")
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.evaluate(PAINTED)
        page.select_option("[name=attack]", "pgd")
        says(page, "step 40 of 40", ".lab-spoken")
        assert (page.evaluate("window.painted") == 1) == (motion == "reduce")
    assert wrong == []


@pytest.mark.parametrize("name", ["image", "iterations"])
@pytest.mark.parametrize("value", ["", "100", "-1", "2.5"])
def test_a_wrong_number_gets_a_sentence(page, name, value):
    before = page.locator(".lab-answer").text_content()
    page.locator(f"[name={name}]").fill(value)
    assert "whole number" in page.locator(".lab-alert").text_content()
    assert page.locator(".lab-answer").text_content() == before
    assert name != "image" or "still test image 2" in page.locator(".lab-alert").text_content()
    assert page.locator(f"[name={name}]").get_attribute("aria-invalid") == "true"
    page.locator(f"[name={name}]").fill("12")
    assert page.locator(".lab-alert").text_content() == ""


def test_a_digit_is_drawn_with_the_keyboard(page, one_thread):
    """A long stroke downwards is a one, for the page as for the package."""
    page.locator("summary", has_text="Draw").click()
    page.get_by_text("Use the drawing").click()
    assert "empty" in page.locator(".lab-alert").text_content()
    paper = page.locator(".lab-paper")
    paper.focus()
    for key in ["ArrowUp"] * 9 + [" "] + ["ArrowDown"] * 18 + [" "]:
        paper.press(key)
    assert "pen up" in paper.get_attribute("aria-label")
    page.get_by_text("Use the drawing").click()
    says(page, "the network says 1 (")
    drawn = page.evaluate(
        "[...document.querySelector('[data-picture=clean]').getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    image = torch.tensor(drawn).view(28, 28, 4)[..., 0].float() / 255
    with torch.no_grad(), runtime.threads(1):
        assert training.shipped("LeNet5", "MNIST")(image[None, None]).argmax() == 1
    rows = image.sum(1).nonzero()[:, 0]
    assert rows.max() - rows.min() == 19 and abs(rows.float().mean() - 13.5) <= 1
