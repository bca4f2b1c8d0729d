"""The entry point of the double as a fork on PyTorch has it: more options, and questions for what is not given.

Stricter than a fork: a question that meets the end of its input ends it with 1. What it was started with is written
into the file that DFLWRAP_DOUBLE_STARTED names, a line of JSON for each start.
"""

if __name__ == "__main__":
    import multiprocessing

    multiprocessing.set_start_method("spawn")

    import faults

    faults.hit("start")

    from core.leras import nn

    nn.initialize_main_env()

    import argparse
    import json
    import os
    import sys
    from pathlib import Path

    def answered(value, question, default):
        if value is not None:
            return value
        sys.stdout.write(f"[{default}] {question} : ")
        sys.stdout.flush()
        return input() or default

    def process_extract(arguments):
        from mainscripts import Extractor

        started = {
            "detector": answered(arguments.detector, "Detector", "s3fd"),
            "landmarker": answered(arguments.landmarker, "Landmarker", "fan-2d"),
            "min_face_size": int(answered(arguments.min_face_size, "Minimum face size", "40")),
            "report_dir": arguments.report_dir,
        }
        with Path(os.environ["DFLWRAP_DOUBLE_STARTED"]).open("a") as file:
            file.write(json.dumps(started) + "\n")
        indices = arguments.force_gpu_idxs
        Extractor.main(
            detector="s3fd",
            input_path=Path(arguments.input_dir),
            output_path=Path(arguments.output_dir),
            output_debug=arguments.output_debug,
            face_type=arguments.face_type,
            max_faces_from_image=arguments.max_faces_from_image,
            image_size=arguments.image_size,
            jpeg_quality=arguments.jpeg_quality,
            cpu_only=arguments.cpu_only,
            force_gpu_idxs=None if indices is None else [int(x) for x in indices.split(",")],
        )

    parser = argparse.ArgumentParser()
    p = parser.add_subparsers().add_parser("extract", help="Extract the faces.")
    p.add_argument("--detector", choices=("s3fd", "s3fd-full", "retinaface-r50", "manual"), default=None)
    p.add_argument("--landmarker", choices=("fan-2d", "fan-3d", "pipnet-68"), default=None, help="Landmarks.")
    p.add_argument(
        "--min-face-size", type=int, default=None, help="Least side of a face; asked when --omitted."
    )
    p.add_argument("--input-dir", required=True, help="Input.")
    p.add_argument("--output-dir", required=True, help="Output.")
    p.add_argument("--output-debug", action="store_true", dest="output_debug", default=None)
    p.add_argument("--no-output-debug", action="store_false", dest="output_debug", default=None)
    p.add_argument("--face-type", choices=["half_face", "full_face", "whole_face", "head", "mark_only"])
    p.add_argument("--max-faces-from-image", type=int, default=None)
    p.add_argument("--image-size", type=int, default=None)
    p.add_argument("--jpeg-quality", type=int, default=None)
    p.add_argument("--cpu-only", action="store_true")
    p.add_argument("--force-gpu-idxs", default=None)
    p.add_argument("--report-dir", default=None, help="Where the report goes.")
    p.add_argument("-f", "--fast", action="store_true", help="Without a second pass.")
    p.set_defaults(func=process_extract)

    arguments = parser.parse_args()
    arguments.func(arguments)
