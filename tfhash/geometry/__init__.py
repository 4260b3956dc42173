"""The exact shape of linear regions, along lines and in planes, for any ReLU network in Keras."""

from tfhash._extras import named_if_missing

with named_if_missing("tfhash.geometry"):
    from tfhash.geometry.boundary_distances import BoundaryDistances, boundary_distances
    from tfhash.geometry.chords import Chords, chords
    from tfhash.geometry.crossings import Crossing
    from tfhash.geometry.diameters import stochastic_chords, stochastic_diameters
    from tfhash.geometry.exploration import Exploration, explore
    from tfhash.geometry.lines import LineRegions, line_regions
    from tfhash.geometry.paths import PathRegions, path_regions
    from tfhash.geometry.planes import PlaneRegions, plane_regions
    from tfhash.geometry.regions import Region
    from tfhash.geometry.regions_at import neighbors, region
    from tfhash.geometry.sliced import SliceRegions
    from tfhash.geometry.slices import box_regions, slice_regions

__all__ = [
    "BoundaryDistances",
    "Chords",
    "Crossing",
    "Exploration",
    "LineRegions",
    "PathRegions",
    "PlaneRegions",
    "Region",
    "SliceRegions",
    "boundary_distances",
    "box_regions",
    "chords",
    "explore",
    "line_regions",
    "neighbors",
    "path_regions",
    "plane_regions",
    "region",
    "slice_regions",
    "stochastic_chords",
    "stochastic_diameters",
]
