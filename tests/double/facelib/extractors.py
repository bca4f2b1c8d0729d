"""Rectangles and 68 landmarks without any network: the script says how many faces a frame has."""

import math


class _Model:
    def __init__(self):
        self.error = None

    def run(self, inputs):
        if self.error is not None:
            raise self.error
        return inputs


class S3FDExtractor:
    def __init__(self, place_model_on_cpu=False):
        self.place_model_on_cpu = place_model_on_cpu
        self.model = _Model()

    def extract(self, input_image, is_bgr=True):
        """Rectangles side by side in the frame's middle; (left, top, right, bottom) in its pixels."""
        self.model.run([input_image])
        height, width = input_image.shape[:2]
        side = min(height, width) // 2
        return [(10 + i, 10 + i, 10 + i + side, 10 + i + side) for i in range(input_image.faces)]


class FANExtractor:
    def __init__(self, landmarks_3D=False, place_model_on_cpu=False):
        self.place_model_on_cpu = place_model_on_cpu
        self.model = _Model()

    def crop(self, image, rect):
        if rect[0] > image.shape[1]:
            raise ValueError("could not broadcast input array")
        return image

    def get_pts_from_predict(self, rect):
        left, top, right, bottom = rect
        turn = 2 * math.pi / 68
        middle, radius = ((left + right) / 2.0, (top + bottom) / 2.0), (right - left) / 3.0
        return [
            (middle[0] + radius * math.cos(i * turn), middle[1] + radius * math.sin(i * turn))
            for i in range(68)
        ]

    def extract(self, input_image, rects, second_pass_extractor=None, is_bgr=True):
        landmarks = []
        for rect in rects:
            try:
                self.model.run([self.crop(input_image, rect)])
                landmarks.append(self.get_pts_from_predict(rect))
            except:  # noqa: E722 - the original swallows everything here, and that is what is tested
                landmarks.append(None)
        if second_pass_extractor is not None:
            try:
                second_pass_extractor.extract(input_image)
            except:  # noqa: E722
                pass
        return landmarks
