"""Attacks: one file each, one pure function each, one shape everywhere: `attack(model, x, y, *, ...) -> x_adv`."""

from fairlib.attacks.fgsm import fgsm, fgsm_grid, input_gradient

__all__ = ["fgsm", "fgsm_grid", "input_gradient"]
