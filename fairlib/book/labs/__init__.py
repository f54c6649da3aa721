"""What the labs need of the package: the numbers that a page computes with, and the figure that stands in for it."""
