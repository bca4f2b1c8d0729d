"""What the machine was doing: GPU (NVML, on Windows also PDH), host (psutil), and the recorder."""
