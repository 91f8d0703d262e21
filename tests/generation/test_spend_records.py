import subprocess
import sys
from pathlib import Path

import pytest

from littlehuman.generation.costs import Bill
from littlehuman.generation.spending import SpendRecord, paid

ENDLESS = """
import sys
from itertools import count
from pathlib import Path
from littlehuman.generation.costs import Bill
from littlehuman.generation.spending import SpendRecord

record = SpendRecord(Path(sys.argv[1]))
for number in count(1):
    record.write(Bill(requests=number, usd=number / 4))
    print(number, flush=True)
"""


def test_a_killed_attempt_has_every_answer_in_its_record(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as attempt:
        assert attempt.stdout
        said = [attempt.stdout.readline() for _ in range(100)]
        attempt.kill()
        said += attempt.stdout.readlines()
        noted = int([line for line in said if line.endswith("\n")][-1])
    assert paid(tmp_path) in (noted / 4, (noted + 1) / 4)  # it may have been killed before it could say the last one


def test_attempts_add_up_and_each_knows_what_the_earlier_ones_paid(tmp_path: Path) -> None:
    first, second = SpendRecord(tmp_path), SpendRecord(tmp_path)
    first.write(Bill(usd=0.5))
    first.write(Bill(usd=1.5))
    first.close()
    second.write(Bill(usd=0.25))
    assert (paid(tmp_path), first.before(), second.before()) == pytest.approx((1.75, 0.25, 1.5))


def test_a_record_that_was_closed_can_be_written_again(tmp_path: Path) -> None:
    record = SpendRecord(tmp_path)
    record.write(Bill(requests=1, usd=1 / 3))
    record.close()
    assert paid(tmp_path) == pytest.approx(1 / 3)
    record.write(Bill(requests=2, usd=1.0))  # fewer digits: nothing of the longer number may stay
    assert paid(tmp_path) == 1.0


def test_an_attempt_that_paid_nothing_leaves_no_record(tmp_path: Path) -> None:
    SpendRecord(tmp_path).write(Bill(requests=5, from_cache=5, usd_without_cache=1.0))
    assert not list(tmp_path.iterdir())
