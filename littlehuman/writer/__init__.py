"""Writers: a prompt model that is tuned on human points before it writes twins (supervised fine-tuning with LoRA).

rows     human points -> conversations: the prompt of the strategy, and the point in its answer form as the target
tuning   conversations -> the folder of an adapter, by the trainer that fine-tunes the cells
folder   the folder: `writer.json` with base, digest and the human points that it saw, read and checked
rounds   which writer a cell's twins are by: a given one, one of its own, or one tuned on the round before

Learning from preferences (DPO: human text against twin of the same evidence) would be a second kind of tuning on the
same pairs. It is not here yet; what is measured with a writer says nothing of it.
"""

from littlehuman.writer.folder import Writer
from littlehuman.writer.rounds import tune_for, writer_of

__all__ = ["Writer", "tune_for", "writer_of"]
