"""jagree: which examples do deep networks learn first, and do they agree on it?"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["Examples", "Recorder", "join_records"]


def __getattr__(name: str) -> Any:
    """What is for other programs, imported when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'jagree' has no attribute '{name}'")
    from jagree import recording

    return getattr(recording, name)
