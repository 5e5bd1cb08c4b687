"""The one exception that a user's mistake raises."""


class UsageError(Exception):
    """Something the user can mend: the message says what was wrong, what is allowed and what to do.

    ``jagree.main`` and the packages' doors print it as one line and leave with exit code 2.
    """
