"""The tour shows pictures that there are, and `make tour` renews every one of them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_tour_has_its_pictures_and_all_are_renewed() -> None:
    shown = set(re.findall(r"!\[[^\]]+\]\(tour/([a-z-]+)\.png\)", (ROOT / "docs" / "tour.md").read_text()))
    lines = (ROOT / "tools" / "tour.sh").read_text().split("PICTURES'\n")[1].splitlines()
    renewed = {line.split()[0] for line in lines if " " in line}
    assert shown == renewed == {file.stem for file in (ROOT / "docs" / "tour").glob("*.png")}
