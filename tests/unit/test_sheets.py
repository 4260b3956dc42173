"""Pictures of examples: which arrays are images, and PNG files that other readers read."""

import io

import numpy as np
import pytest

from tfhash.audit import sheets
from tfhash.png import png


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 5, 1), (3, 4, 5, 3), (3, 4, 5, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool])
def test_images_come_as_bytes(shape, dtype):
    x = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    assert sheets.are_images(x)
    images = sheets.as_images([(x, 2), (x, 0)])
    expected = x[[2, 0]].astype(int) * 255
    assert all(image.dtype == np.uint8 for image in images)
    channels = expected[..., :3] if shape[-1] in (3, 4) and len(shape) == 4 else expected
    assert np.array_equal(np.stack(images).reshape(channels.shape), channels)


def test_ranges_of_numbers():
    x = np.arange(12.0).reshape(1, 3, 4) * 20
    images, shifted = sheets.as_images([(x, 0)]), sheets.as_images([(x - 500, 0)])
    assert np.array_equal(images[0], x[0])
    image = shifted[0]
    assert image.min() == 0 and image.max() == 255


def test_equal_examples_of_two_arrays_look_alike():
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    other = np.stack([x[0], 9 * x[1]])
    alone, first, second, widest = sheets.as_images([(x, 1), (x, 0), (other, 0), (other, 1)])
    assert np.array_equal(first, second) and not np.array_equal(alone, widest)
    assert widest.min() == 0 or widest.max() == 255
    assert sheets.as_images([]) == []


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 1, 9), (3, 4, 5, 2), (3, 4, 5, 3, 1)])
def test_other_arrays_are_no_images(shape):
    assert not sheets.are_images(np.zeros(shape))
    assert not sheets.are_images(np.full((3, 4, 5), "a"))


def test_png_is_read_back():
    image_file = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for shape in ((4, 5), (4, 5, 3)):
        images = [rng.integers(0, 256, shape).astype(np.uint8) for _ in range(3)]
        sheet = sheets.contact_sheet([images[:2], images[2:]], gap=1)
        read = np.asarray(image_file.open(io.BytesIO(png(sheet))))
        assert np.array_equal(read, sheet)
        assert np.array_equal(read[1:5, 7:12], images[1])
        assert np.array_equal(read[6:10, 1:6], images[2])
    with pytest.raises(ValueError, match="at least one image"):
        sheets.contact_sheet([[]])
