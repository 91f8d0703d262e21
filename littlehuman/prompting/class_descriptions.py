"""`dataset.class_descriptions`: what each class means, in one line that a prompt can show or an encoder can read.

In: the descriptions of the config, and the classes of the data. Out: an error where the two do not agree. They are
compared where a request shows them: data with other classes can be read without changing the dataset's YAML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from littlehuman.errors import ConfigError, Problem, did_you_mean

KEY = "dataset.class_descriptions"
SHOWN = 10  # problems of one kind that are listed


def check_descriptions(descriptions: Mapping[str, str], classes: Sequence[str], task: str) -> None:
    """Check that every class is described, and nothing else.

    Args:
        descriptions: class -> one line.
        classes: those of the dataset; empty for free answers.
        task: its name, for the error.

    Raises:
        ConfigError: with all problems, and the overrides that mend them.
    """
    if not classes:
        raise ConfigError(
            [Problem(KEY, f"describes classes, and the answers of task={task} are free")], "task=classify"
        )
    absent = [name for name in classes if not descriptions.get(name)]
    unknown = [name for name in descriptions if name not in classes]
    if absent or unknown:
        overrides = [f"'~{KEY}.{name}'" for name in unknown] + [f"'++{KEY}.{name}=WHAT IT IS ABOUT'" for name in absent]
        raise ConfigError([*_problems(absent, unknown, classes)], " ".join(overrides[:SHOWN]))


def _problems(absent: Sequence[str], unknown: Sequence[str], classes: Sequence[str]) -> Iterator[Problem]:
    for name in unknown[:SHOWN]:
        yield Problem(f"{KEY}.{name}", f"is no class of the data; {did_you_mean(name, classes)}")
    for name in absent[:SHOWN]:
        yield Problem(f"{KEY}.{name}", "is missing: every class needs one line, or none has one")
    if more := max(len(unknown) - SHOWN, 0) + max(len(absent) - SHOWN, 0):
        yield Problem(KEY, f"and {more} more")
