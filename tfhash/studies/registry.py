"""All studies, by name."""

from tfhash.errors import unknown_name
from tfhash.studies import (
    cnn,
    diameters,
    label_noise,
    layer_width,
    layer_wise,
    phase_chart,
    random_data,
    region_density,
    regularizers,
    representations,
    representations_linear,
    sample_size,
    training_time,
)
from tfhash.studies.study import Study

STUDIES: dict[str, Study] = {
    module.STUDY.name: module.STUDY
    for module in (
        layer_width,
        training_time,
        sample_size,
        layer_wise,
        diameters,
        region_density,
        random_data,
        label_noise,
        regularizers,
        phase_chart,
        representations,
        representations_linear,
        cnn,
    )
}


def study(name: str) -> Study:
    """The study `name`.

    Raises
    ------
    InputError
        There is none of that name; near ones are named.
    """
    if name not in STUDIES:
        raise unknown_name("a study", name, STUDIES)
    return STUDIES[name]
