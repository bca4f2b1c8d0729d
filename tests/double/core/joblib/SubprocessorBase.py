"""A host and its workers, with DeepFaceLab's interface, messages and weaknesses.

Written from scratch after its observed behaviour: two queues a worker; a worker that raises is ended and its
frame given to `on_data_return`; a worker that is silent for too long is ended with an unbounded join;
one that dies during start-up is waited for without end.
"""

import multiprocessing
import time
import traceback

from core.interact import interact as io

FREE, BUSY, CLOSED = 0, 1, 2


class Subprocessor:
    class SilenceException(Exception):
        pass

    class Cli:
        def __init__(self, client_dict):
            self.s2c = multiprocessing.Queue()
            self.c2s = multiprocessing.Queue()
            self.p = multiprocessing.Process(
                target=self._subprocess_run, args=(client_dict, self.s2c, self.c2s)
            )
            self.p.daemon = True
            self.p.start()
            self.state = None
            self.sent_time = None
            self.sent_data = None
            self.name = None
            self.host_dict = None

        def kill(self):
            self.p.terminate()
            self.p.join()

        def on_initialize(self, client_dict):
            pass

        def on_finalize(self):
            pass

        def process_data(self, data):
            raise NotImplementedError

        def get_data_name(self, data):
            return "undefined"

        def log_info(self, msg):
            self.c2s.put({"op": "log_info", "msg": msg})

        def log_err(self, msg):
            self.c2s.put({"op": "log_err", "msg": msg})

        def progress_bar_inc(self, count):
            self.c2s.put({"op": "progress_bar_inc", "c": count})

        def _subprocess_run(self, client_dict, s2c, c2s):
            self.c2s = c2s
            data = None
            try:
                self.on_initialize(client_dict)
                c2s.put({"op": "init_ok"})
                for message in iter(s2c.get, {"op": "close"}):
                    data = message["data"]
                    c2s.put({"op": "success", "data": data, "result": self.process_data(data)})
                    data = None
                self.on_finalize()
                c2s.put({"op": "finalized"})
            except Subprocessor.SilenceException:
                c2s.put({"op": "error", "data": data})
            except Exception:
                c2s.put({"op": "error", "data": data, "err_msg": traceback.format_exc()})
            c2s.close()
            s2c.close()
            self.c2s = None

        def __getstate__(self):
            return {}

        def __setstate__(self, state):
            self.__dict__.update(state)

    def __init__(self, name, SubprocessorCli_class, no_response_time_sec=0, io_loop_sleep_time=0.005):
        self.name = name
        self.SubprocessorCli_class = SubprocessorCli_class
        self.no_response_time_sec = no_response_time_sec
        self.io_loop_sleep_time = io_loop_sleep_time

    def process_info_generator(self):
        raise NotImplementedError

    def on_clients_initialized(self):
        pass

    def on_clients_finalized(self):
        pass

    def get_data(self, host_dict):
        raise NotImplementedError

    def on_data_return(self, host_dict, data):
        raise NotImplementedError

    def on_result(self, host_dict, data, result):
        raise NotImplementedError

    def get_result(self):
        return None

    def on_tick(self):
        return True

    def on_check_run(self):
        return True

    def run(self):
        if not self.on_check_run():
            return self.get_result()
        self.clis = []
        for name, host_dict, client_dict in self.process_info_generator():
            cli = self.SubprocessorCli_class(client_dict)
            cli.state, cli.sent_time, cli.name, cli.host_dict = BUSY, 0, name, host_dict
            self.clis.append(cli)
        if not self.clis:
            raise Exception(f"Unable to start Subprocessor '{self.name}' ")
        while any(cli.state != FREE for cli in self.clis):
            for cli in self.clis[:]:
                self._messages(cli, "Error while subprocess initialization: {}", starting=True)
            io.process_messages(self.io_loop_sleep_time)
        if not self.clis:
            raise Exception("Unable to start subprocesses.")
        self.on_clients_initialized()
        while True:
            for cli in self.clis[:]:
                self._messages(cli, "Error while processing data: {}", starting=False)
            self._end_silent()
            for cli in self.clis:
                if cli.state == FREE:
                    self._send(cli)
            io.process_messages(self.io_loop_sleep_time)
            if self.on_tick() and all(cli.state == FREE for cli in self.clis):
                break
        self._close()
        self.on_clients_finalized()
        return self.get_result()

    def _messages(self, cli, error_format, starting):
        while cli in self.clis and not cli.c2s.empty():
            message = cli.c2s.get()
            op = message["op"]
            if op == "init_ok" and starting:
                cli.state = FREE
            elif op == "success":
                self.on_result(cli.host_dict, message["data"], message["result"])
                cli.state = FREE
            elif op in ("log_info", "log_err"):
                getattr(io, op)(message["msg"])
            elif op == "progress_bar_inc":
                io.progress_bar_inc(message["c"])
            elif op == "error":
                if message.get("err_msg") is not None:
                    io.log_info(error_format.format(message["err_msg"]))
                if not starting:
                    self.on_data_return(cli.host_dict, message["data"])
                cli.kill()
                self.clis.remove(cli)

    def _end_silent(self):
        for cli in self.clis[:]:
            busy = cli.state == BUSY and cli.sent_time
            if busy and self.no_response_time_sec and time.time() - cli.sent_time > self.no_response_time_sec:
                print(f"{cli.name} doesnt response, terminating it.")
                self.on_data_return(cli.host_dict, cli.sent_data)
                cli.kill()
                self.clis.remove(cli)

    def _send(self, cli):
        data = self.get_data(cli.host_dict)
        if data is not None:
            cli.s2c.put({"op": "data", "data": data})
            cli.sent_time, cli.sent_data, cli.state = time.time(), data, BUSY

    def _close(self):
        for cli in self.clis:
            cli.s2c.put({"op": "close"})
            cli.sent_time = time.time()
        while any(cli.state != CLOSED for cli in self.clis):
            for cli in self.clis:
                finalized = False
                while not cli.c2s.empty():
                    finalized = cli.c2s.get()["op"] == "finalized" or finalized
                if cli.state != CLOSED and (finalized or time.time() - cli.sent_time > 30):
                    cli.state = CLOSED
                    cli.kill()
            io.process_messages(self.io_loop_sleep_time)
