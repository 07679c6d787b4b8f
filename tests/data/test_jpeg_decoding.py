"""Plain JPEGs are decoded apart: to the bits of Pillow, which sees all that is not plain."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netts.data import ImageOptions
from netts.data.image_decoding import decode_image
from netts.data.image_options import ColorMode
from netts.errors import NettsError

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("simplejpeg")
jpeg_decoding = pytest.importorskip("netts.data.jpeg_decoding")

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)


def saved(mode="RGB", size=(70, 50), **options):
    file = io.BytesIO()
    Image.fromarray(PIXELS).resize(size).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


PLAIN = {
    "smooth": saved(),
    "4:4:4": saved(subsampling=0, quality=40),
    "4:2:2": saved(subsampling=1),
    "progressive": saved(progressive=True),
    "odd": saved(size=(33, 17)),
    "one pixel": saved(size=(1, 1)),
    "rgb": saved(subsampling=0, keep_rgb=True),
    "grey": saved("L"),
}
OTHER = {
    "turned": saved(exif=turned(6)),
    "upright": saved(exif=turned(1)),
    "cmyk": saved("CMYK"),
    "xmp": saved(xmp=b'<x:xmpmeta><rdf tiff:Orientation="8"/></x:xmpmeta>'),
}
MODES: list[ColorMode] = ["rgb", "grayscale"]
SIZES = [None, 20, (50, 70)]


def seen(path, options, by_pillow):
    """Return what becomes of a file, decoded by Pillow alone or not."""
    package = jpeg_decoding.simplejpeg
    try:
        if by_pillow:
            jpeg_decoding.simplejpeg = None
        return decode_image(path, options)
    except NettsError as error:
        return type(error), str(error)
    finally:
        jpeg_decoding.simplejpeg = package


def assert_is_what_pillow_sees(path, options):
    found, expected = seen(path, options, False), seen(path, options, True)
    if isinstance(expected, tuple):
        assert found == expected
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("color_mode", MODES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [*PLAIN, *OTHER])
def test_a_jpeg_has_the_bits_that_pillow_gives_it(tmp_path, kind, size, color_mode):
    path = tmp_path / "1.jpg"
    path.write_bytes((PLAIN | OTHER)[kind])
    assert_is_what_pillow_sees(path, ImageOptions(size, color_mode=color_mode))


def test_plain_ones_do_not_reach_pillow():
    for name, content in PLAIN.items():
        assert jpeg_decoding.decode_plain_jpeg(content, ImageOptions()) is not None, name
    for name, content in OTHER.items():
        assert jpeg_decoding.decode_plain_jpeg(content, ImageOptions()) is None, name


def test_one_that_says_it_is_large_is_left_to_pillow_which_refuses_it(tmp_path):
    content = PLAIN["smooth"]
    assert jpeg_decoding.decode_plain_jpeg(content, ImageOptions(max_pixels=3499)) is None
    (tmp_path / "1.jpg").write_bytes(content)
    _, message = seen(tmp_path / "1.jpg", ImageOptions(max_pixels=3499), False)
    assert "is too large (70 x 50 pixels)" in message
    at = content.index(b"\xff\xc0") + 5  # height and width, of a header that lies
    bomb = content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :]
    assert jpeg_decoding.decode_plain_jpeg(bomb, ImageOptions()) is None


@st.composite
def damaged(draw):
    content = bytearray(draw(st.sampled_from(list((PLAIN | OTHER).values()))))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, min(len(content), draw(st.sampled_from([700, 10_000])))))
        change = draw(st.sampled_from(["flip", "flip", "cut", "put", "end"]))
        if change == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "cut":
            del content[at : at + draw(st.integers(1, 4))]
        elif change == "put":
            content[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif change == "end":
            del content[at:]
    return bytes(content)


def law(n_cases):
    @settings(max_examples=n_cases, suppress_health_check=list(HealthCheck), deadline=None)
    @given(content=damaged(), color_mode=st.sampled_from(MODES), size=st.sampled_from(SIZES))
    def test(tmp_path_factory, content, color_mode, size):
        path = tmp_path_factory.getbasetemp() / "damaged.jpg"
        path.write_bytes(content)
        options = ImageOptions(size, color_mode=color_mode, max_pixels=1_000_000)
        assert_is_what_pillow_sees(path, options)

    return test


test_a_damaged_jpeg_is_what_pillow_says_it_is = law(300)
test_ten_thousand_damaged_jpegs_are_what_pillow_says_they_are = pytest.mark.slow(law(10_000))
