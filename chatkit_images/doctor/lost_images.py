"""What becomes of a row whose file is lost, and what the person sees."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.utils import timezone

from .. import imaging, models, notes, storage
from ..contexts import context_class
from ..exceptions import ImageError
from ..failures import Failure, Reason
from ..queries import endings, failure_columns, items, recovery, use
from ..times import to_naive
from ..transactions import atomic
from . import derivatives
from .drift import Look
from .files import rows_of, storages_of
from .held import is_held
from .inventory import Named

# The sweep completes an image that has this reason, if its file comes back.
LOST = Failure(
    Reason.NOT_SAVED, code="lost", message="The storage has lost the file of the image."
)


def lose(named: Named, look: Look) -> bool:
    """Take a file out of the row that names it, as it is lost for good.

    A form of an image is made again when it is needed.
    """
    if named.field == "thumbnail":
        return _clear(named) and _made_again(named)
    if named.model == "GeneratedImage":
        return _lose_image(named, look)
    if named.model == "Attachment":
        return _clear(named)
    return _delete(named)


@atomic()
def _delete(named: Named) -> bool:
    row = rows_of(named).first()
    if row is not None and is_held(row):
        return False
    rows_of(named).delete()
    return True


@atomic()
def _clear(named: Named) -> bool:
    row = rows_of(named).first()
    # A thumbnail is made again.
    if row is not None and named.field == "file" and is_held(row):
        return False
    rows_of(named).update(**{named.field: ""})
    return True


def _made_again(named: Named) -> bool:
    """Make a lost thumbnail again, if it can be made now; if not, it is missing."""
    model: Any = apps.get_model("chatkit_images", named.model)
    row = model.objects.filter(pk=named.pk, thumbnail="").first()
    if row is not None:
        derivatives.make(row)
    return True


def _lose_image(named: Named, look: Look) -> bool:
    """End an image as one that could not be saved; its thumbnail is its preview."""
    image = rows_of(named).select_related("run__user", "thread__user").first()
    if image is None:
        return True
    if not all(map(look.is_ours, storages_of(image))):
        return False
    preview = _preview_of(image, look)
    with recovery.working_on(image), atomic():
        if is_held(image):
            return False
        same = rows_of(named).filter(thumbnail=image.thumbnail.name)
        row = same.select_for_update().first()
        if row is None:
            return True
        models.GeneratedImage.objects.filter(pk=row.pk).update(
            status=failure_columns.image_status(LOST),
            finished_at=timezone.now(),
            **failure_columns.of_image(LOST),
            **preview,
        )
        # They were made of the file.
        row.variants.all().delete()
        _tell(image.pk)
    if image.run_id is not None:
        use.settle(image.run_id, ended=True)
    return True


def _preview_of(image: models.GeneratedImage, look: Look) -> dict[str, Any]:
    """Return the columns of an image that has its thumbnail only, or nothing."""
    nothing = {"file": "", "sha256": "", "width": None, "height": None, "bytes": None}
    nothing |= {"mime": ""}
    if not (name := str(image.thumbnail.name)):
        return nothing
    try:
        data = look.ask(storage.read, name, image.stored_in)
        info = imaging.inspect(data, decode=False)
    except (FileNotFoundError, ImageError):
        return nothing | {"thumbnail": ""}
    measures = {"width": info.width, "height": info.height, "bytes": info.size}
    said = {"file": name, "thumbnail": "", "mime": info.mime, "sha256": ""}
    return said | measures


def _tell(key: Any) -> None:
    """Leave words in the place of an image, or beside its preview.

    An item that is not the app's own stays: clients show it as an image that was
    removed.
    """
    rows = models.GeneratedImage.objects.select_related("thread__user", "item")
    image = rows.get(pk=key)
    if image.item is None:
        return  # A retry, or a person, has taken it out of its thread.
    created_at, own = to_naive(image.created_at), endings.message_id(image)
    if image.has_result:
        name, text = notes.note_id(image), notes.preview_words(image)
    elif image.item.item_id == own:
        name, text = own, notes.words(image)
    else:
        return
    context = context_class().for_owner(image.thread.owner, image.thread.user)
    item = notes.message(name, image.thread_id, created_at, text)
    items.save(image.thread_id, item, context, fenced=False)
