"""Processes that read samples beside this one, for sources whose reading holds Python's lock."""
