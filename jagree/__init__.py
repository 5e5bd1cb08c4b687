"""jagree: which examples do deep networks learn first, and do they agree on it?"""

__version__ = "0.1.0"
