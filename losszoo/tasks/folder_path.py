"""Whether a text names a folder of images; here, as a command asks it before anything heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path


def is_image_folder(text: str) -> bool:
    """Whether text is the path of a folder: one that ends with a slash, or a path with one that is a folder.

    Example:
        >>> is_image_folder("photos/"), is_image_folder("digits")
        (True, False)
    """
    written = text.endswith(("/", os.sep))
    return ":" not in text and (written or ("/" in text and Path(text).is_dir()))
