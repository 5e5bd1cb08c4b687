"""The contract between training and study: what was predicted, and when that is right."""

from jagree.record.assembly import EpochAssembly
from jagree.record.correctness import RULES
from jagree.record.join import SplitDescription, join_records
from jagree.record.reader import correct, judged, losses, open_record, predictions, values
from jagree.record.writer import RecordWriter, is_debris

__all__ = [
    "RULES",
    "EpochAssembly",
    "RecordWriter",
    "SplitDescription",
    "correct",
    "is_debris",
    "join_records",
    "judged",
    "losses",
    "open_record",
    "predictions",
    "values",
]
