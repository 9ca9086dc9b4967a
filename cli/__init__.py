"""The command line: one file per command, each an adapter between options and the library.

Importing these modules is quick: torch, pandas and the like are imported when a command runs.
"""

__all__: list[str] = []
