"""Attacks: one file each, one pure function each, one shape everywhere: `attack(model, x, y, *, ...) -> x_adv`.

An attack on a defence takes the defence in the place of the model.
"""

from fairlib.attacks.adaptive import adaptive
from fairlib.attacks.fgsm import fgsm, fgsm_grid, input_gradient
from fairlib.attacks.lagrangian import lpa
from fairlib.attacks.noise import random_sign
from fairlib.attacks.perc_al import perc_al
from fairlib.attacks.perceptual import perceptual
from fairlib.attacks.perceptual_pgd import ppgd
from fairlib.attacks.pgd import pgd
from fairlib.attacks.pgd_l2 import pgd_l2
from fairlib.attacks.square import square
from fairlib.attacks.ssim import pgd_step, ssim_step

__all__ = [
    "adaptive",
    "fgsm",
    "fgsm_grid",
    "input_gradient",
    "lpa",
    "perc_al",
    "perceptual",
    "pgd",
    "pgd_l2",
    "pgd_step",
    "ppgd",
    "random_sign",
    "square",
    "ssim_step",
]
