"""The project of the page on testing, whose tests pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT, block, blocks
from tests.test_docs import PROJECT_FILES


def test_project_of_the_testing_page_passes(tmp_path: Path) -> None:
    for name in PROJECT_FILES:
        (part,) = blocks("python", name=name)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(part.text)
    config, strict = blocks("toml")
    assert strict.text.startswith(config.text)
    (tmp_path / config.name).write_text(strict.text)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "chat.py").write_text(block("install.md", "The server").text)
    (tmp_path / "shop" / "settings.py").write_text(
        "from project_settings import *\n"
        "CHATKIT_IMAGES['SERVER'] = 'shop.chat.DesignServer'\n"
        "ROOT_URLCONF = 'project_urls'\n"
    )
    shutil.copy(ROOT / "tests" / "settings.py", tmp_path / "project_settings.py")
    shutil.copy(ROOT / "tests" / "urls.py", tmp_path / "project_urls.py")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    # It would win over the project's own configuration.
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " skipped" not in done.stdout
