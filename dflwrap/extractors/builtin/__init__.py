"""The built-in extractor: real detection and landmarks in TensorFlow, DeepFaceLab's files.

For a machine without DeepFaceLab, for CI, and for GPUs that its build cannot use. Started as
`python -m dflwrap.extractors.builtin extract ...`, it takes DeepFaceLab's own flags.

    __main__    the command line
    host        frames out, results in, dead workers replaced
    worker      the process that handles one frame at a time
    images      reading a frame
    detector    where faces may be; mesh: 68 landmarks; finder: both together
    alignment   frame -> face; facefile: the face JPEG
"""
