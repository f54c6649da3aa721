"""Countries, their names and their GDP per head; images that come with a country. Second paper, section 4.

`gdp` and `match` say what is known of countries, `manifest` reads a user's images, `world` makes a simulated world in
which the truth is known. Torch is imported only where that makes images.
"""

from fairlib.geography.countries import SOURCES, countries, gdp
from fairlib.geography.manifest import Manifest, class_indices, manifest
from fairlib.geography.names import complaint, match
from fairlib.geography.wealth import wealth, without_wealth
from fairlib.geography.world import AMPLITUDE, COUNTRIES, World, shares, stamped_share, stamps, world

__all__ = [
    "AMPLITUDE",
    "COUNTRIES",
    "SOURCES",
    "Manifest",
    "World",
    "class_indices",
    "complaint",
    "countries",
    "gdp",
    "manifest",
    "match",
    "shares",
    "stamped_share",
    "stamps",
    "wealth",
    "without_wealth",
    "world",
]
