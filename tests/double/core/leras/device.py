"""Device enumeration in a short-lived child, its result in the environment, as DeepFaceLab does it."""

import multiprocessing
import os

import faults


class Device:
    def __init__(self, index, tf_dev_type, name, total_mem, free_mem):
        self.index = index
        self.tf_dev_type = tf_dev_type
        self.name = name
        self.total_mem = total_mem
        self.total_mem_gb = total_mem / 1024**3
        self.free_mem = free_mem
        self.free_mem_gb = free_mem / 1024**3


class Devices:
    all_devices = None

    def __init__(self, devices):
        self.devices = devices

    def __len__(self):
        return len(self.devices)

    def __getitem__(self, key):
        return self.devices[key]

    def __iter__(self):
        return iter(self.devices)

    @staticmethod
    def _get_tf_devices_proc(queue):
        faults.hit("import")
        faults.hit("enumeration")
        memory = int(faults.option("gpu_gib") * 1024**3)
        queue.put({i: ("GPU", f"Double {i}", memory) for i in range(faults.option("gpus"))})

    @staticmethod
    def initialize_main_env():
        if int(os.environ.get("NN_DEVICES_INITIALIZED", 0)) != 0:
            return
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        queue = multiprocessing.Queue()
        child = multiprocessing.Process(target=Devices._get_tf_devices_proc, args=(queue,), daemon=True)
        child.start()
        child.join()
        found = queue.get()
        os.environ["NN_DEVICES_INITIALIZED"] = "1"
        os.environ["NN_DEVICES_COUNT"] = str(len(found))
        for index, (kind, name, memory) in found.items():
            prefix = f"NN_DEVICE_{index}_"
            os.environ[prefix + "TF_DEV_TYPE"] = kind
            os.environ[prefix + "NAME"] = name
            os.environ[prefix + "TOTAL_MEM"] = os.environ[prefix + "FREE_MEM"] = str(memory)

    @staticmethod
    def getDevices():
        if Devices.all_devices is None:
            found = []
            for index in range(int(os.environ["NN_DEVICES_COUNT"])):
                value = {
                    key: os.environ[f"NN_DEVICE_{index}_{key}"]
                    for key in ("TF_DEV_TYPE", "NAME", "TOTAL_MEM", "FREE_MEM")
                }
                total, free = int(value["TOTAL_MEM"]), int(value["FREE_MEM"])
                found.append(Device(index, value["TF_DEV_TYPE"], value["NAME"], total, free))
            Devices.all_devices = Devices(found)
        return Devices.all_devices
