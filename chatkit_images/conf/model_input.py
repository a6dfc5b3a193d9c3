"""Settings of what a model sees of images and files."""

from __future__ import annotations

from typing import Literal, cast

from .base import Group

MODEL_IMAGES = ("data_url", "signed_url")
MODEL_FORMATS = ("auto", "png", "jpeg", "webp")


class ModelInput(Group):
    """Which images and files go to the model, and in which form."""

    # What the model sees of earlier turns

    @property
    def MODEL_IMAGES(self) -> Literal["data_url", "signed_url"]:
        """How earlier images reach the model. Default: ``"data_url"``.

        ``"data_url"``: their bytes. ``"signed_url"``: a signed URL, for a host
        that the provider can reach. One that cannot read it gets bytes.
        """
        return cast(
            "Literal['data_url', 'signed_url']", self._get("MODEL_IMAGES", "data_url")
        )

    @property
    def MODEL_SIDE(self) -> int:
        """Longest side of an image that is sent to the model, in pixels. Default: 2000.

        A larger image is scaled down once, and the result is kept. Some providers
        refuse more than 2000 pixels if a request has many images.
        """
        return int(self._get("MODEL_SIDE", 2000))

    @property
    def MODEL_FORMAT(self) -> Literal["auto", "png", "jpeg", "webp"]:
        """Format of images that are sent to the model. Default: ``"auto"``.

        ``"auto"`` sends a PNG, JPEG or WebP of up to 1 MiB as it is. Of others it makes
        a PNG if that is small, else a JPEG, or a WebP if the image is transparent. The
        other values name the one format that is sent; as a JPEG a transparent image
        stands on white.
        """
        return cast(
            "Literal['auto', 'png', 'jpeg', 'webp']", self._get("MODEL_FORMAT", "auto")
        )

    @property
    def MODEL_IMAGE_COUNT(self) -> int:
        """Newest images of a thread that are sent to the model. Default: 6.

        At most: with one image more only the newest third goes along, and it grows
        again. Generated, attached and named images count alike; those that came with
        the newest message go first. Of older ones the model is told only.
        """
        return int(self._get("MODEL_IMAGE_COUNT", 6))

    @property
    def MODEL_IMAGE_BYTES(self) -> int:
        """Bytes of images that one turn sends to the model. Default: 16 MiB.

        An image that does not fit is drawn again with more loss. If that does not help,
        the model is told of it only.
        """
        return int(self._get("MODEL_IMAGE_BYTES", 16 * 2**20))

    @property
    def MODEL_FILE_BYTES(self) -> int:
        """Bytes of documents that one turn sends to the model. Default: 8 MiB.

        The newest go first. Of a document that does not fit the model is told only.
        """
        return int(self._get("MODEL_FILE_BYTES", 8 * 2**20))
