"""What runs inside DeepFaceLab's interpreter: standard library only, Python 3.6 to 3.13.

Loaded by `start.py` as the package `dflwrap_agent`. Of dflwrap's other rooms, which need a newer Python, it has only
the frame queue, loaded from its file (`shared`). The host process uses `host_hooks`, `device_listing`, `pool`; a worker
uses `worker_hooks`; both use `import_hook`, `os_process`, `settings`.
"""
