"""The test double's entry point: `main.py extract ...` with DeepFaceLab's process structure and flags."""

if __name__ == "__main__":
    import multiprocessing

    multiprocessing.set_start_method("spawn")

    import faults

    faults.hit("start")

    from core.leras import nn

    nn.initialize_main_env()

    import argparse
    import sys
    from pathlib import Path

    from core import osex

    def _path(text):
        return Path(text).expanduser().absolute()

    def process_extract(arguments):
        osex.set_process_lowest_prio()
        from mainscripts import Extractor

        indices = arguments.force_gpu_idxs
        Extractor.main(
            detector=arguments.detector,
            input_path=arguments.input_dir,
            output_path=arguments.output_dir,
            output_debug=arguments.output_debug,
            face_type=arguments.face_type,
            max_faces_from_image=arguments.max_faces_from_image,
            image_size=arguments.image_size,
            jpeg_quality=arguments.jpeg_quality,
            cpu_only=arguments.cpu_only,
            force_gpu_idxs=None if indices is None else [int(x) for x in indices.split(",")],
        )

    parser = argparse.ArgumentParser()
    p = parser.add_subparsers().add_parser("extract")
    p.add_argument("--detector", choices=["s3fd", "manual"], default=None)
    p.add_argument("--input-dir", required=True, type=_path)
    p.add_argument("--output-dir", required=True, type=_path)
    p.add_argument("--output-debug", action="store_true", dest="output_debug", default=None)
    p.add_argument("--no-output-debug", action="store_false", dest="output_debug", default=None)
    p.add_argument("--face-type", choices=["half_face", "full_face", "whole_face", "head", "mark_only"])
    p.add_argument("--max-faces-from-image", type=int, default=None)
    p.add_argument("--image-size", type=int, default=None)
    p.add_argument("--jpeg-quality", type=int, default=None)
    p.add_argument("--manual-fix", action="store_true")
    p.add_argument("--cpu-only", action="store_true")
    p.add_argument("--force-gpu-idxs", default=None)
    p.set_defaults(func=process_extract)

    arguments = parser.parse_args()
    arguments.func(arguments)
    print("Done.")
    sys.exit(0)
