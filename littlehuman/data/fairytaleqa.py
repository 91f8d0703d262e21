"""Reader of FairytaleQA: questions about sections of a story, in two csv files (release) or joined (hub).

In, the release's folders `questions/<split>/<story>-questions.csv`, `section-stories/<split>/<story>-story.csv`
    question_id,cor_section,question,answer1,answer2,...,answer6      section,text
    3,"1,2",Who mended the clock?,the miller,,...                     1,The clock had stopped.
or a row of the hub (`GEM/FairytaleQA`):
    {"gem_id": "...-3", "story_name": "clock", "content": "The clock ...", "question": "Who ...", "answer": ...}
Out: {"id": "clock-3", "story_name": "clock", "content": "The clock had stopped.\\n...",
      "question": "Who mended the clock?", "answers": ["the miller"]}

Answers 4 to 6 are a second annotator's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from littlehuman.data.files import read_rows
from littlehuman.data.rows import Row, require
from littlehuman.data.source import Source
from littlehuman.errors import DataError

QUESTIONS = "-questions.csv"
ANSWERS = tuple(f"answer{number}" for number in range(1, 7))


def read(source: Source, split: str) -> Iterator[Row]:
    """One row per question, with the sections that it is about."""
    files = [path for path in source.files.get(split, ()) if path.name.endswith(QUESTIONS)]
    for path in files:
        yield from _story(path)
    if not files:
        where = source.where(split)
        for row in source.rows(split):
            yield {**row, "id": require(row, "gem_id", where), "answers": [require(row, "answer", where)]}


def _story(path: Path) -> Iterator[Row]:
    name = path.name.removesuffix(QUESTIONS)
    sections = _sections(path.parents[2] / "section-stories" / path.parent.name / f"{name}-story.csv")
    for row in read_rows(path):
        number = require(row, "question_id", str(path))
        wanted = [key.strip() for key in require(row, "cor_section", str(path)).split(",") if key.strip()]
        absent = [key for key in wanted if key not in sections]
        if absent:
            raise DataError(
                f"{path}: question {number} is about section {absent[0]}; the story has {', '.join(sections)}"
            )
        yield {
            "id": f"{name}-{number}",
            "story_name": name,
            "content": "\n".join(sections[key] for key in wanted),
            "question": require(row, "question", str(path)),
            "answers": [require(row, "answer1", str(path)), *(row.get(key) for key in ANSWERS[1:])],
        }


def _sections(path: Path) -> dict[str, str]:
    """Section number -> text. One story of the release has two sections 5, which are joined."""
    sections: dict[str, str] = {}
    for row in read_rows(path):
        key, text = require(row, "section", str(path)).strip(), require(row, "text", str(path)).strip()
        sections[key] = f"{sections[key]}\n{text}" if key in sections else text
    return sections
