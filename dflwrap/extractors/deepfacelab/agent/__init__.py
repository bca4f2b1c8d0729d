"""What runs inside DeepFaceLab's interpreter: standard library only, Python 3.6 to 3.13.

Loaded by `start.py` as the package `dflwrap_agent`; it imports nothing of dflwrap's other rooms, which
need a newer Python. The host process uses `host_hooks`, `device_listing`, `pool`; a worker uses `worker_hooks`; both
use `import_hook`, `os_process`, `settings`.
"""
