"""Plain JPEGs, in a third of the time: the one module that imports simplejpeg.

It is the same library as in Pillow (libjpeg-turbo), called once for a picture instead of through
objects of Python for each part of it, so the bits are the same. What it would not decode without
doubt is left to Pillow, as all is where the package is not installed: what becomes of a picture,
and which error is raised, does not depend on it.
"""

from __future__ import annotations

import numpy as np

from netts.data.image_options import MAX_PIXELS, ImageOptions

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

BEGINNING = b"\xff\xd8\xff"

NOT_PLAIN = (b"Exif\x00", b"http://ns.adobe.com/xap/", b"MPF\x00")
"""What may say that the picture is turned, or one of several."""

FROM = {
    "rgb": ("RGB", frozenset({"YCbCr", "RGB", "Gray"})),
    "grayscale": ("GRAY", frozenset({"Gray"})),
}
"""What is asked for, and of which pictures; grey of colours is Pillow's to mix."""


def decode_plain_jpeg(content: bytes, options: ImageOptions) -> np.ndarray | None:
    """Return a JPEG as uint8 of shape (height, width, channels), or None where Pillow is to see it.

    It is what Pillow makes of it before it is brought to a size.
    """
    if simplejpeg is None or not content.startswith(BEGINNING):
        return None
    if any(map(content.__contains__, NOT_PLAIN)):
        return None
    wanted, known = FROM[options.color_mode]
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(content)
        if colors not in known or height * width > min(options.max_pixels, MAX_PIXELS):
            return None
        # Strict, as it is by default: damage that could be passed over is an error.
        return simplejpeg.decode_jpeg(content, wanted)
    except ValueError:
        return None
