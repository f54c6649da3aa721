"""How different two images look: SSIM, LPIPS, DISTS, PieAPP, CIEDE2000 and their kin behind one small interface."""

from fairlib.perceptual.colour import ciede2000, delta_e, rgb_to_lab
from fairlib.perceptual.distance import NAMES, Distance, check_distance, distance
from fairlib.perceptual.rooted import rooted
from fairlib.perceptual.saliency import SALIENCY, spectral_residual
from fairlib.perceptual.unweighted import unweighted_lpips

__all__ = [
    "NAMES",
    "SALIENCY",
    "Distance",
    "check_distance",
    "ciede2000",
    "delta_e",
    "distance",
    "rgb_to_lab",
    "rooted",
    "spectral_residual",
    "unweighted_lpips",
]
