"""What the command tells the shell."""

SUCCESS = 0
FAILURE = 1
"""An error that netts explains."""
USAGE = 2
"""Wrong arguments, as argparse has it."""
INTERRUPTED = 130
"""Ctrl-C: 128 + SIGINT, as shells report it."""
