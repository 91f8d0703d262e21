"""Loading of the human data: from the hub, a release or a table of the user's to three splits of `Example`s.

`loading` calls the steps in this order: `source` finds the files or hub tables, `readers` flattens their format,
`table` maps columns and `labels`, `splits` makes the splits that the source does not have.
"""

from littlehuman.data.loading import load

__all__ = ["load"]
