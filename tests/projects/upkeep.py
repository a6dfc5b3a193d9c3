"""Steps of those who run a project: the commands, the admin, the logs."""

from __future__ import annotations

import os
import re
import time
from html import unescape
from pathlib import Path

from .tour import Tour

DAYS = 2 * 24 * 3600


def commands(tour: Tour) -> None:
    """Every command ends well, says what it did, and loses nothing."""
    manage, media = tour.project.manage, tour.project.directory / "media"
    said = manage("chatkit_images_recover")
    assert "Ended 0 runs, 0 go on." in said, said
    said = manage("chatkit_images_flush_spool")
    assert "Moved 0 files to the storage, 0 are left." in said, said
    image = tour.ann.image(tour.daphne, tour.image_url)
    (kept, *_) = [path for path in files_in(media) if path.read_bytes() == image]
    # A file with a name of the app's, in the same folder, that no row knows.
    orphan = kept.with_name(kept.name[:2] + "0" * 30 + kept.suffix)
    orphan.write_bytes(b"not an image")
    # A young file is left alone, known or not.
    files = files_in(media)
    for path in files:
        os.utime(path, (time.time() - DAYS,) * 2)
    said = manage("chatkit_images_sweep")
    assert "Settled 1 unknown files." in said, said
    lost = files - files_in(media)
    assert lost == {orphan}, lost
    assert tour.ann.image(tour.daphne, tour.image_url) == image
    said = manage("chatkit_images_verify")
    assert "Every image is what its row says." in said, said
    kept.rename(media / "away")
    said = manage("chatkit_images_verify", fails=True)
    (media / "away").rename(kept)
    assert kept.name in said, said


def files_in(folder: Path) -> set[Path]:
    """Return the files in a folder and those below."""
    return {path for path in folder.rglob("*") if path.is_file()}


def gallery(tour: Tour) -> None:
    """Staff see each list, and an image on its page."""
    tour.kind.late(tour.environment)
    staff, server = tour.staff, tour.daphne
    index = page(tour, "/admin/")
    lists = sorted(set(re.findall(r'href="([^"]*/admin/chatkit_images/\w+/)"', index)))
    assert len(lists) >= 5, lists
    for path in lists:
        text = page(tour, path)
        # By date, and by words.
        for query in re.findall(r'href="(\?created_at__[^"]+)"', text)[:2]:
            page(tour, path + unescape(query))
        page(tour, f"{path}?q=fox")
    text = page(tour, f"{tour.kind.script}/admin/chatkit_images/generatedimage/")
    pages = re.findall(r'href="([^"]*/generatedimage/[^"/]+/change/[^"]*)"', text)
    for shown in (text, page(tour, unescape(pages[0]))):
        (url, *_) = re.findall(r'<img class="ck-image" src="([^"]+)"', shown)
        answer = staff.get(server, unescape(url))
        assert answer.status_code == 200, (url, answer.status_code)
        assert answer.headers["Content-Type"].startswith("image/"), answer.headers
    text = page(tour, f"{tour.kind.script}/admin/chatkit_images/thread/")
    found = re.findall(r'href="([^"]*/thread/[^"/]+/change/[^"]*)"', text)
    assert found, "no thread is listed"
    assert "Füchse" in text
    page(tour, unescape(found[0]))


def page(tour: Tour, path: str) -> str:
    """Return a page of the admin."""
    path = path if path.startswith(tour.kind.script) else f"{tour.kind.script}{path}"
    answer = tour.staff.get(tour.daphne, path)
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:1500])
    return answer.text


def logs(tour: Tour) -> None:
    """No server has logged an error."""
    said = tour.project.log()
    found = re.search(r"(?m)^.*(Traceback|ERROR|never awaited).*$", said)
    assert found is None, said[max(0, found.start() - 500) :][:4000]
