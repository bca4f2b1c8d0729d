"""The class everything hangs on in DeepFaceLab; here it knows devices and a start-up that takes time."""

import time

import faults

from .device import Devices


class nn:
    @staticmethod
    def initialize_main_env():
        Devices.initialize_main_env()

    @staticmethod
    def initialize(device_config=None):
        faults.hit("import")
        time.sleep(faults.option("start_seconds"))

    class DeviceConfig:
        def __init__(self, devices):
            self.devices = devices

        @staticmethod
        def CPU():
            return nn.DeviceConfig([])

        @staticmethod
        def GPUIndexes(indices):
            return nn.DeviceConfig([d for d in Devices.getDevices() if d.index in indices])
