import subprocess
import sys
from pathlib import Path

import pytest

from littlehuman.generation.costs import Bill, SpendRecord, paid

ENDLESS = """
import sys
from itertools import count
from pathlib import Path
from littlehuman.generation.money import Bill
from littlehuman.generation.receipts import Receipt

receipt = Receipt(Path(sys.argv[1]))
for number in count(1):
    receipt.note(Bill(requests=number, usd=number / 4))
    print(number, flush=True)
"""


def test_a_killed_attempt_has_every_answer_on_its_receipt(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as attempt:
        assert attempt.stdout
        said = [attempt.stdout.readline() for _ in range(100)]
        attempt.kill()
        said += attempt.stdout.readlines()
        noted = int([line for line in said if line.endswith("\n")][-1])
    assert paid(tmp_path) in (noted / 4, (noted + 1) / 4)  # it may have been killed before it could say the last one


def test_attempts_add_up_and_each_knows_what_the_earlier_ones_paid(tmp_path: Path) -> None:
    first, second = SpendRecord(tmp_path), SpendRecord(tmp_path)
    first.note(Bill(usd=0.5))
    first.note(Bill(usd=1.5))
    first.close()
    second.note(Bill(usd=0.25))
    assert (paid(tmp_path), first.before(), second.before()) == pytest.approx((1.75, 0.25, 1.5))


def test_a_receipt_that_was_closed_goes_on(tmp_path: Path) -> None:
    receipt = SpendRecord(tmp_path)
    receipt.note(Bill(requests=1, usd=1 / 3))
    receipt.close()
    assert paid(tmp_path) == pytest.approx(1 / 3)
    receipt.note(Bill(requests=2, usd=1.0))  # fewer digits: nothing of the longer number may stay
    assert paid(tmp_path) == 1.0


def test_an_attempt_that_paid_nothing_leaves_no_receipt(tmp_path: Path) -> None:
    SpendRecord(tmp_path).note(Bill(requests=5, from_cache=5, usd_without_cache=1.0))
    assert not list(tmp_path.iterdir())
