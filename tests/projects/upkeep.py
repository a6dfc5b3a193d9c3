"""Steps of those who run a project: the commands, the admin, the logs."""

from __future__ import annotations

import os
import re
import time
from html import unescape

from .tour import Tour

ORPHAN = "chatkit_images/images/ab/ab" + "0" * 30 + ".png"
DAYS = 2 * 24 * 3600


def commands(tour: Tour) -> None:
    """Every command ends well, says what it did, and loses nothing."""
    manage, media = tour.project.manage, tour.project.directory / "media"
    said = manage("chatkit_images_recover")
    assert "Ended 0 runs, 0 go on." in said, said
    said = manage("chatkit_images_flush_spool")
    assert "Moved 0 files to the storage, 0 are left." in said, said
    orphan = media / ORPHAN
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"not an image")
    # A young file is left alone, known or not.
    files = {path for path in media.rglob("*") if path.is_file()}
    for path in files:
        os.utime(path, (time.time() - DAYS,) * 2)
    said = manage("chatkit_images_sweep")
    assert "Settled 1 unknown files." in said, said
    left = {path for path in media.rglob("*") if path.is_file()}
    assert files - left == {orphan}, files - left
    image = tour.ann.image(tour.daphne, tour.image_url)
    said = manage("chatkit_images_verify")
    assert "Every image is what its row says." in said, said
    (lost, *_) = [path for path in left if path.read_bytes() == image]
    lost.rename(media / "lost")
    said = manage("chatkit_images_verify", fails=True)
    (media / "lost").rename(lost)
    assert lost.name in said, said


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
