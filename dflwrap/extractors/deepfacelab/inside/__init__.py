"""What runs inside DeepFaceLab's interpreter: standard library only, Python 3.6 to 3.13.

Loaded by `agent.py` as the package `dflwrap_inside`; it imports nothing of dflwrap's other rooms, which
need a newer Python. The host process uses `host`, `enumeration`, `pool`; a worker uses `worker`; both
use `hooks`, `process`, `settings`.
"""
