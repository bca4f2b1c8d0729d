"""Log lines, the progress bar on stderr, and prompts."""

import sys
import time


class Console:
    """One console per process; `interact` is the instance everybody uses."""

    def __init__(self):
        self.bar = None  # [done, total, started]

    def log_info(self, msg, end="\n"):
        if self.bar is not None:
            print("\n")
        print(msg, end=end)

    def log_err(self, msg, end="\n"):
        self.log_info(f"/!\\ {msg}", end=end)

    def progress_bar(self, desc, total):
        self.bar = [0, total, time.time()]
        self._draw()

    def progress_bar_inc(self, count):
        if self.bar is None:
            print("progress_bar not set.")
            return
        self.bar[0] += count
        self._draw()

    def progress_bar_close(self):
        if self.bar is not None:
            self._draw()
            sys.stderr.write("\n")
            sys.stderr.flush()
            self.bar = None

    def _draw(self):
        """As tqdm draws it in ASCII: `\\r 42%|####2     | 5/12 [00:11<00:16,  2.37s/it]`.

        Beyond its total, as with frames that come as a stream, it has none: `\\r13it [00:12,  1.08it/s]`.
        """
        done, total, started = self.bar
        spent = time.time() - started
        if done > total:
            clock = "{:02d}:{:02d}".format(*divmod(int(spent), 60))
            sys.stderr.write(f"\r{done}it [{clock}, {done / spent if spent else 0:5.2f}it/s]")
            sys.stderr.flush()
            return
        part = done / float(total) if total else 0
        tenths = int(part * 100)
        blocks = "#" * (tenths // 10) + (str(tenths % 10) if tenths % 10 else "")
        rate = spent / done if done else 0
        left = "{:02d}:{:02d}".format(*divmod(int(rate * (total - done)), 60)) if done else "?"
        speed = f"{rate:.2f}s/it" if done else "?it/s"
        clock = "{:02d}:{:02d}".format(*divmod(int(spent), 60))
        sys.stderr.write(f"\r{tenths:3d}%|{blocks:<10}| {done}/{total} [{clock}<{left}, {speed}]")
        sys.stderr.flush()

    def input(self, text):
        return input(text)

    def input_int(self, text, default):
        """The default at end-of-file, as all prompts but the raw one do."""
        try:
            answer = input(f"[{default}] {text} ( ?:help ) : ")
            value = int(answer) if answer else default
        except (EOFError, ValueError):
            value = default
        print(value)
        return value

    def process_messages(self, sleep_time=0):
        if sleep_time:
            time.sleep(sleep_time)


interact = Console()
