"""The contract between training and study: what was predicted, and when that is right."""

from jagree.record.assembly import EpochAssembly
from jagree.record.correctness import RULES
from jagree.record.reader import correct, judged, losses, open_record, predictions, values
from jagree.record.writer import RecordWriter, is_debris

__all__ = [
    "RULES",
    "EpochAssembly",
    "RecordWriter",
    "correct",
    "is_debris",
    "judged",
    "losses",
    "open_record",
    "predictions",
    "values",
]
