"""Lines before a run: no links can be made (exFAT, a share); a frame that is copied fails the run."""

NO_LINKS = """
import os
def refused(*_, **__):
    raise PermissionError("no links here")
os.symlink = os.link = refused
"""
NO_COPIES = """
import shutil
def never(source, *_, **__):
    raise OSError(95, "a frame is copied", str(source))
shutil.copyfile = never
"""
