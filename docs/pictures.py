"""Draw the pictures of statistics.md with the project's figure code, from made studies of known truth.

`python docs/pictures.py` writes docs/figures/statistics-*.png. The studies are those of the tests (study_factory.py).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from littlehuman.economics import pilot
from littlehuman.figures import replacement, sample_size, style, tradeoff
from littlehuman.reporting.gathering import gather

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))
from study_factory import little_human, write_study  # noqa: E402

DPI = 100
NOBODY = ("nobody: a made study",)


def falling(human: int, synthetic: int) -> float:
    """True score: 75 %, less 3 percentage points at 2.5 % human points and 10 without any."""
    share = human / (human + synthetic)
    return 0.75 - (0.10 if share == 0 else 0.03 if share < 0.03 else 0.0)


def pictures(place: Path) -> Iterator[tuple[str, Figure]]:
    """Name and figure of each; the studies are written below `place`."""
    curve = write_study(
        place / "curve", datasets=("made",), prompt_models=NOBODY, truth=falling, items=2000, seed_sd=0.004
    )
    found = gather(curve, delta=0.02)
    yield "curve", replacement.replacement(found.lines, found.controls, found.delta)
    for name, passage, icc in (("independent items", 1, 0.0), ("ten on a passage", 10, 0.6)):
        planted = {"truth": falling, "items": 600, "passage": passage, "icc": icc}
        write_study(place / "clusters", datasets=(name,), prompt_models=NOBODY, **planted)
    found = gather(place / "clusters", delta=0.02)
    yield "clusters", replacement.replacement(found.lines, found.controls, found.delta)
    stated = pilot.of_stated(pilot.stated(0.01, 0.3), pilot.Wanted(0.02, None, None, None))
    yield "size", sample_size.sample_sizes([(stated.name, stated.sizes)])
    sizes = tuple(range(1000, 21_000, 1000))
    terms = {"fractions": (1.0,), "sizes": sizes, "extra_human": (0, 200), "truth": little_human, "items": 2000}
    write_study(place / "tradeoff", datasets=("made",), prompt_models=NOBODY, seed_sd=0.004, **terms)
    yield "tradeoff", tradeoff.tradeoff(gather(place / "tradeoff", delta=0.02).tradeoffs)


def main() -> None:
    """Write the PNG files; SVG ones are as large as the page and not kept."""
    with tempfile.TemporaryDirectory() as place:
        for name, figure in pictures(Path(place)):
            for file in style.save(figure, DOCS / "figures", f"statistics-{name}", DPI):
                if file.suffix == ".svg":
                    file.unlink()


if __name__ == "__main__":
    main()
