"""Attacks: one file each, one pure function each, one shape everywhere: `attack(model, x, y, *, ...) -> x_adv`.

An attack on a defence takes the defence in the place of the model.
"""

from fairlib.attacks.adaptive import adaptive
from fairlib.attacks.fgsm import fgsm, fgsm_grid, input_gradient
from fairlib.attacks.noise import random_sign
from fairlib.attacks.pgd import pgd
from fairlib.attacks.square import square

__all__ = ["adaptive", "fgsm", "fgsm_grid", "input_gradient", "pgd", "random_sign", "square"]
