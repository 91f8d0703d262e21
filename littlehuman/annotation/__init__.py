"""Labels by machine: those of a mixture's human texts, and those of the test points (`method=annotator`).

annotator       the prompt model labels the test points in place of a fine-tuned model
agreement       how the machine's labels agree with people's: the entry of a result, what is logged and noted
"""

from littlehuman.annotation.agreement import notes, of_test_labels, of_twins
from littlehuman.annotation.annotator import TestLabels, label, outcome_of, result_of

__all__ = ["TestLabels", "label", "notes", "of_test_labels", "of_twins", "outcome_of", "result_of"]
