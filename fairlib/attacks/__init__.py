"""Attacks: one file each, one pure function each, one shape everywhere: `attack(model, x, y, *, ...) -> x_adv`.

`model` is any `nn.Module` in evaluation mode that answers images x (N, C, H, W) in [0, 1] with logits or
log-probabilities (N, K); an attack on a defence takes the defence in its place. Beside the attacks stand the loss that
they climb, its gradient, and SSIM's Hessian in the module `ssim`.
"""

from fairlib.attacks import ssim
from fairlib.attacks.adaptive import TEMPERATURES, adaptive, mean_lead, soft_leads
from fairlib.attacks.apgd import apgd
from fairlib.attacks.fgsm import fgsm, fgsm_grid, input_gradient
from fairlib.attacks.gradients import gradient, unusable
from fairlib.attacks.loss import answers, cross_entropy, lead, margin, margin_at
from fairlib.attacks.lpa import lpa
from fairlib.attacks.perc_al import perc_al
from fairlib.attacks.perceptual import perceptual
from fairlib.attacks.pgd import pgd
from fairlib.attacks.pgd_l2 import pgd_l2
from fairlib.attacks.ppgd import START_NOISE, ppgd
from fairlib.attacks.random_sign import random_sign
from fairlib.attacks.square import square
from fairlib.attacks.ssim_step import gradient_and_right, pgd_step, ssim_step, step_factor

__all__ = [
    "START_NOISE",
    "TEMPERATURES",
    "adaptive",
    "answers",
    "apgd",
    "cross_entropy",
    "fgsm",
    "fgsm_grid",
    "gradient",
    "gradient_and_right",
    "input_gradient",
    "lead",
    "lpa",
    "margin",
    "margin_at",
    "mean_lead",
    "perc_al",
    "perceptual",
    "pgd",
    "pgd_l2",
    "pgd_step",
    "ppgd",
    "random_sign",
    "soft_leads",
    "square",
    "ssim",
    "ssim_step",
    "step_factor",
    "unusable",
]
