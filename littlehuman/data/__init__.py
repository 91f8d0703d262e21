"""The dataset stage: from a hub, a release or your own table to three splits of `Example`s.

In: `DatasetConfig` and `TaskConfig`. Out: `records.Dataset`. A row flows through
`source` (where it is) -> `readers` (its format, made flat) -> `table` (its columns, made an
Example) -> `splits` (the splits that the source does not have) -> `loading` (all of that).
"""

from littlehuman.data.loading import load

__all__ = ["load"]
