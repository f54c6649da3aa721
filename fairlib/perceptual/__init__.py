"""How different two images look: SSIM, LPIPS, DISTS, PieAPP, CIEDE2000 and their kin behind one small interface."""

from fairlib.perceptual.colour import ciede2000, delta_e, rgb_to_lab
from fairlib.perceptual.distance import NAMES, Distance, check_distance, distance
from fairlib.perceptual.saliency import SALIENCY, spectral_residual

__all__ = [
    "NAMES",
    "SALIENCY",
    "Distance",
    "check_distance",
    "ciede2000",
    "delta_e",
    "distance",
    "rgb_to_lab",
    "spectral_residual",
]
