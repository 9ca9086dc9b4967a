"""Everything that aaetools raises on purpose, in one family.

The command line turns each of these into one line on standard error and exit code 2; anything else is a bug
and keeps its traceback. The built-in second base lets scikit-learn users catch what they always caught.
"""

__all__ = [
    "AAEToolsError",
    "DataError",
    "Interrupted",
    "LabelError",
    "ModelFileError",
    "RunFolderError",
    "TrainingError",
]


class AAEToolsError(Exception):
    """Base class of all errors raised on purpose; the message is one clear line."""


class DataError(AAEToolsError, ValueError):
    """Data cannot be used as given; the message names the file, row or column and what to do."""


class LabelError(DataError):
    """Labels cannot be used as given."""


class ModelFileError(AAEToolsError, ValueError):
    """A saved model is missing, damaged or from an unsupported version."""


class RunFolderError(AAEToolsError, OSError):
    """A run folder cannot be read or written."""


class TrainingError(AAEToolsError, RuntimeError):
    """Training had to stop, for example at the first non-finite loss."""


class Interrupted(BaseException):
    """A signal asked the program to end; no part of the program should take it for an error.

    Attributes
    ----------
    code
        What the program exits with, 128 and the signal's number as shells have it.
    advice
        How to go on, where that is possible.
    """

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.code = 128 + signum
        self.advice = "nothing was written"
