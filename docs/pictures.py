"""Draw the pictures of statistics.md with the project's figure code, from made studies of known truth; and README's.

`python docs/pictures.py` writes docs/figures/statistics-*.png and readme.png. The studies are those of the tests
(study_factory.py).
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


def ropes() -> Figure:
    """The picture of README: SmolLM2 on ROPES, 48 points, as LOG.md (2026-11-20, studies) has the numbers."""
    human = (48, 36, 24, 12, 5, 2, 1, 0)
    f1 = (53.9, 53.1, 51.5, 50.0, 45.8, 42.3, 38.7, 36.0)
    low = (44.5, 44.6, 43.8, 42.0, 37.3, 34.7, 0.0, 16.9)
    high = (63.3, 61.6, 59.3, 58.0, 54.4, 50.0, 77.7, 55.1)
    with style.look():
        figure = style.blank(style.WIDTH, 2.6)
        axes = figure.subplots()
        places = range(len(human))
        axes.fill_between(places, low, high, color=style.COLOURS[0], alpha=0.1, linewidth=0)
        ends = [[y - a for y, a in zip(f1, low, strict=True)], [b - y for y, b in zip(f1, high, strict=True)]]
        axes.errorbar(places, f1, yerr=ends, color=style.COLOURS[0], marker="o", capsize=2, elinewidth=0.8)
        axes.axhline(f1[0], color="black", linewidth=0.7, linestyle=":")
        shares = ("0", "25", "50", "75", "90", "95", "97.5", "100")
        axes.set_xticks(places, [f"{share} %\n{n}" for share, n in zip(shares, human, strict=True)])
        axes.set(ylim=(0, 80), ylabel="F1 (%)", xlabel="synthetic share of the training set, human points left")
        axes.set_title("SmolLM2-135M on ROPES, 48 points, twins by the same model; bars: 95 % intervals")
    return figure


def main() -> None:
    """Write the PNG files; SVG ones are as large as the page and not kept."""
    with tempfile.TemporaryDirectory() as place:
        made = [(f"statistics-{name}", figure) for name, figure in pictures(Path(place))]
        for name, figure in [*made, ("readme", ropes())]:
            for file in style.save(figure, DOCS / "figures", name, DPI):
                if file.suffix == ".svg":
                    file.unlink()


if __name__ == "__main__":
    main()
