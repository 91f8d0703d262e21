"""The texts of a complete cell for its audit: cells of older versions are audited anew, worst pairs are shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from littlehuman import data
from littlehuman.audit import cell as audits
from littlehuman.audit.compute import Audit, audit
from littlehuman.audit.sets import AuditSets
from littlehuman.config.mixture_spec import mixture_spec
from littlehuman.data.test_points import select_test_points
from littlehuman.errors import DataError
from littlehuman.exporting.item_clusters import test_dataset_of
from littlehuman.exporting.rebuild import CONFIG, config_of, rebuild
from littlehuman.mixture import mixing
from littlehuman.records import Mixture
from littlehuman.runs.artifacts import PREDICTIONS, RESULT, read_result
from littlehuman.schema import AuditConfig
from littlehuman.store import read_jsonl


@dataclass(frozen=True)
class CellTexts:
    """The points of a cell, and the options of its audit."""

    sets: AuditSets
    options: AuditConfig

    def by_side(self) -> dict[str, dict[str, str]]:
        """Side (test, human, synthetic) -> id -> text."""
        sides = {"test": self.sets.test, "human": self.sets.pool, "synthetic": self.sets.synthetic}
        return {name: {example.id: example.text for example in points} for name, points in sides.items()}


def texts_of_cell(cell: Path) -> CellTexts:
    """Load the data of a complete cell, and rebuild its training set from the completion cache.

    Raises:
        DataError: when the cell is not complete, its data is not what it was, or an answer is not in the cache.
    """
    result = read_result(cell)
    if not result:
        raise DataError(f"{cell}: is no complete cell ({RESULT} is absent or torn)\nTry: the sweep's command again")
    config = config_of(cell / CONFIG)
    dataset = data.load(config.audited_dataset, config.task, test_dataset_of(config, cell))
    before = result.get("fingerprints", {}).get("dataset")
    if dataset.fingerprint != before:
        what = f"its fingerprint was {before} and is {dataset.fingerprint}"
        raise DataError(f"{cell}: the data of {dataset.name} changed since: {what}\nTry: put back what the run read")
    counts = result.get("counts", {})
    if counts.get("synthetic"):
        mixture = rebuild(cell).mixture
    elif not counts.get("total"):  # nothing was trained on
        mixture = Mixture((), 0)
    else:
        mixture = mixing.mix(mixing.plan_mixture(dataset.train, mixture_spec(config), dataset.name), {})
    test = select_test_points(dataset, config.n_test)
    return CellTexts(audits.sets_of_cell(config, mixture, dataset, test), config.audit)


def audit_again(cell: Path, texts: CellTexts) -> Audit:
    """Audit a complete cell anew, and write its `audit.json` with the scores of its predictions."""
    made = audit(texts.sets, texts.options)
    rows = list(read_jsonl(cell / PREDICTIONS))
    result = read_result(cell)
    names = (result["headline"], *result["scores"])
    audits.write(cell, made, [str(row.get("id")) for row in rows], [row.get("scores", {}) for row in rows], names)
    return made
