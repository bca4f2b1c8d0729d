"""The extract step of the double: DeepFaceLab's classes, messages and order of writing."""

import multiprocessing
import struct
import sys
import time
from pathlib import Path

import facejpeg
import facelib
import faults
import vram
from core import pathex
from core.interact import interact as io
from core.joblib import Subprocessor
from core.leras import nn
from facelib import FaceType


class Image:
    """What the double knows of a picture: its size, and how many faces the script gives it."""

    def __init__(self, width, height, faces):
        self.shape = (height, width, 3)
        self.faces = faces


def read_image(path):
    """Size from a PNG or JPEG header; 640x360 for other formats; None for what is no picture."""
    try:
        data = Path(path).read_bytes()
    except OSError:
        return None
    faces = faults.option("faces").get(Path(path).name, faults.option("default_faces"))
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return Image(width, height, faces)
    if data[:3] == b"\xff\xd8\xff":
        at = 2
        while at + 9 < len(data) and data[at] == 0xFF:
            if data[at + 1] in (0xC0, 0xC1, 0xC2):
                height, width = struct.unpack(">HH", data[at + 5 : at + 9])
                return Image(width, height, faces)
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        return None
    return Image(640, 360, faces) if data[:4] in (b"II*\0", b"MM\0*") else None


class ExtractSubprocessor(Subprocessor):
    class Data:
        def __init__(self, filepath=None, rects=None, landmarks=None, final_output_files=None):
            self.filepath = filepath
            self.rects = rects or []
            self.rects_rotation = 0
            self.landmarks_accurate = True
            self.manual = False
            self.landmarks = landmarks or []
            self.final_output_files = final_output_files or []
            self.faces_detected = 0

    class Cli(Subprocessor.Cli):
        def on_initialize(self, client_dict):
            self.type = client_dict["type"]
            self.image_size = client_dict["image_size"]
            self.face_type = client_dict["face_type"]
            self.max_faces_from_image = client_dict["max_faces_from_image"]
            self.final_output_path = client_dict["final_output_path"]
            self.output_debug_path = client_dict["output_debug_path"]
            self.device_name = client_dict["device_name"]
            self.on_gpu = client_dict["device_type"] != "CPU"
            place_model_on_cpu = not self.on_gpu
            if not place_model_on_cpu:
                config = nn.DeviceConfig.GPUIndexes([client_dict["device_idx"]])
                place_model_on_cpu = config.devices[0].total_mem_gb < 4
            faults.hit("worker_start", worker=self.device_name)
            if self.on_gpu:
                vram.hold()
            nn.initialize()
            self.log_info(f"Running on {self.device_name}")
            self.rects_extractor = facelib.S3FDExtractor(place_model_on_cpu=place_model_on_cpu)
            self.landmarks_extractor = facelib.FANExtractor(
                landmarks_3D=self.face_type >= FaceType.HEAD, place_model_on_cpu=place_model_on_cpu
            )
            if place_model_on_cpu and client_dict["device_type"] != "CPU":
                self.log_info("weights on the CPU")
            self.cached_image = (None, None)
            self.frames_done = 0

        def process_data(self, data):
            name = data.filepath.name
            context = {"worker": self.device_name, "frame": name, "output": str(self.final_output_path)}
            context["frame_path"] = str(data.filepath)
            stage = "steady" if self.frames_done else "first_frame"
            self.frames_done += 1
            acted = faults.hit(stage, **context) + faults.hit(name, **context)
            if self.on_gpu and faults.option("vram"):
                with vram.frame(name):
                    time.sleep(faults.option("frame_seconds"))
            else:
                time.sleep(faults.option("cpu_seconds") or faults.option("frame_seconds"))
            image = None if "unreadable" in acted else read_image(data.filepath)
            if image is None:
                self.log_err(f"Failed to open {data.filepath}, reason: cv2_imread() fail.")
                return data
            if self.on_gpu and faults.option("blind_on_gpu"):
                image.faces = 0
            self.cached_image = (data.filepath, image)
            if min(image.shape[:2]) >= 128:
                data.rects = self.rects_extractor.extract(image)
                if self.max_faces_from_image:
                    data.rects = data.rects[: self.max_faces_from_image]
            self._landmarks(data, image, acted)
            if "filtered" not in acted:
                self._write(data, acted)
            return data

        def _landmarks(self, data, image, acted):
            error = RuntimeError("OOM when allocating tensor") if "landmarks" in acted else None
            self.landmarks_extractor.model.error = error
            second = self.rects_extractor if data.rects else None
            if "second_pass" in acted:
                self.rects_extractor.model.error = RuntimeError("OOM when allocating tensor")
            data.landmarks = self.landmarks_extractor.extract(image, data.rects, second)
            self.rects_extractor.model.error = None

        def _write(self, data, acted):
            index = 0
            for rect, points in zip(data.rects, data.landmarks):  # noqa: B905 - no `strict` in 3.6
                if points is None:
                    continue
                path = Path(self.final_output_path) / f"{data.filepath.stem}_{index}.jpg"
                self._write_face(path, data.filepath.name, rect, points, acted)
                data.final_output_files.append(path)
                index += 1
            data.faces_detected = index
            if self.output_debug_path is not None:
                debug = Path(self.output_debug_path) / (data.filepath.stem + ".jpg")
                debug.write_bytes(facejpeg.flat_jpeg(64))

        def _write_face(self, path, frame, rect, points, acted):
            """First the bare JPEG, then again with metadata, as the original does."""
            tint = sum(frame.encode("utf-8", "surrogatepass")) % 200 + 20
            bare = facejpeg.flat_jpeg(self.image_size, (tint, 110, 150))
            if "lie" in acted:
                return
            if "half_jpeg" in acted:
                path.write_bytes(bare[: len(bare) // 2])
                faults.kill()
            path.write_bytes(b"" if "zero_jpeg" in acted else bare)
            if "bare_jpeg" in acted or "zero_jpeg" in acted:
                faults.kill()
            kind = FaceType.toString(self.face_type)
            meta = facejpeg.metadata(kind, self.image_size, frame, rect, points)
            path.write_bytes(facejpeg.with_metadata(bare, meta))

        def get_data_name(self, data):
            return data.filepath

    @staticmethod
    def get_devices_for_config(type, device_config):  # noqa: A002
        if device_config.devices:
            return [(d.index, "GPU", d.name, d.total_mem_gb) for d in device_config.devices]
        count = min(8, multiprocessing.cpu_count() // 2)
        return [(i, "CPU", f"CPU{i}", 0) for i in range(count)]

    def __init__(self, input_data, type, **settings):  # noqa: A002
        self.input_data = input_data
        self.type = type
        self.settings = settings
        self.result = []
        self.devices = ExtractSubprocessor.get_devices_for_config(type, settings.pop("device_config"))
        super().__init__("Extractor", ExtractSubprocessor.Cli, faults.option("no_response"))

    def process_info_generator(self):
        for index, kind, name, _memory in self.devices:
            client_dict = dict(self.settings, type=self.type, stdin_fd=sys.stdin.fileno())
            client_dict.update(device_idx=index, device_type=kind, device_name=name)
            yield name, {}, client_dict

    def on_clients_initialized(self):
        io.progress_bar(None, len(self.input_data))

    def on_clients_finalized(self):
        io.progress_bar_close()

    def get_data(self, host_dict):
        return self.input_data.pop(0) if self.input_data else None

    def on_data_return(self, host_dict, data):
        """The frame of a lost worker is dropped, as in the original."""

    def on_result(self, host_dict, data, result):
        self.result.append(result)
        io.progress_bar_inc(1)
        faults.hit("host:" + result.filepath.name)

    def get_result(self):
        return self.result


def main(
    detector=None,
    input_path=None,
    output_path=None,
    output_debug=None,
    face_type=None,
    max_faces_from_image=None,
    image_size=None,
    jpeg_quality=None,
    cpu_only=False,
    force_gpu_idxs=None,
):
    if not input_path.exists():
        io.log_err("Input directory not found. Please ensure it exists.")
        return
    output_path.mkdir(parents=True, exist_ok=True)
    debug_path = output_path.parent / (output_path.name + "_debug")
    paths = pathex.get_image_unique_filestem_paths(input_path, verbose_print_func=io.log_info)
    old = pathex.get_image_paths(output_path)
    if old:
        warning = f"\n WARNING !!! \n {output_path} contains files! \n They will be deleted. \n "
        io.input(warning + "Press enter to continue.\n")
        for path in old:
            Path(path).unlink()
    devices = range(faults.option("gpus")) if force_gpu_idxs is None else force_gpu_idxs
    config = nn.DeviceConfig.CPU() if cpu_only else nn.DeviceConfig.GPUIndexes(devices)
    if max_faces_from_image is None:
        max_faces_from_image = io.input_int("Max number of faces from image", 0)
    if image_size is None:
        image_size = io.input_int("Image size", 512)
    if jpeg_quality is None:
        jpeg_quality = io.input_int("Jpeg quality", 90)
    if output_debug:
        debug_path.mkdir(parents=True, exist_ok=True)
    data = []
    if paths:
        io.log_info("Extracting faces...")
        data = ExtractSubprocessor(
            [ExtractSubprocessor.Data(Path(path)) for path in paths],
            "all",
            image_size=image_size,
            jpeg_quality=jpeg_quality,
            face_type=FaceType.fromString(face_type or "whole_face"),
            output_debug_path=debug_path if output_debug else None,
            max_faces_from_image=max_faces_from_image,
            final_output_path=output_path,
            device_config=config,
        ).run()
    faults.hit("finish", output=str(output_path))
    io.log_info("-------------------------")
    io.log_info(f"Images found:        {len(paths)}")
    io.log_info(f"Faces detected:      {sum(d.faces_detected for d in data)}")
    io.log_info("-------------------------")
