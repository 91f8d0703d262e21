"""Loading of the human data: from the hub, a release or a table of the user's to three splits of `Example`s.

`loading` calls the steps in this order: `source` finds the files or hub tables, `readers` flattens their format,
`table` maps columns and `labels`, `splits` makes the splits that the source does not have; `description` says what came
of it. Files: `files` chooses between `delimited` (its `dialect`), `json_files` and `arrow_files`.
"""

from littlehuman.data.description import log_dataset, test_shortage
from littlehuman.data.loading import data_key, load, load_once

__all__ = ["data_key", "load", "load_once", "log_dataset", "test_shortage"]
