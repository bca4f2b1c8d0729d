"""Lowers this process's priority, as DeepFaceLab does."""

import os


def set_process_lowest_prio():
    if hasattr(os, "nice"):
        os.nice(1)  # not 20: beside other tests it would stand still
