"""From the bytes of a log to the lines, steps and tracebacks that rules see."""
