"""From the played driver to the decision: what NVML says ends up in the plan and in its sentence."""

from __future__ import annotations

from nvml_play import Play

CHILD = """
import json, os, sys, threading, time
from dflwrap.common.plan import Plan
from dflwrap.common.verdict import Cause, Confidence, EvidenceLine, Health, Verdict
from dflwrap.planning.decision import Wait
from dflwrap.planning.policy import decide
from dflwrap.planning.inputs import AttemptRecord, RunContext
from dflwrap.common.telemetry import DeviceInfo
from dflwrap.common.retrying import wait_for_bytes
from dflwrap.telemetry.gpu import open_gpu
from dflwrap.telemetry.host import HostReader
from dflwrap.telemetry.recorder import Recorder

gpu = open_gpu()
recorder = Recorder(gpu, HostReader(), steady=0.03, starting=0.03)
recorder.start()
recorder.watch(os.getpid())
deadline = time.monotonic() + 10
while time.monotonic() < deadline:
    seen = [[d.lost or None, d.free_min and d.free_min >> 20] for d in recorder.summary().devices]
    if json.loads(sys.argv[2]) in seen:
        break
    time.sleep(0.02)
telemetry = recorder.stop()
devices = tuple(DeviceInfo(d.index, d.name, d.total, d.drives_display) for d in gpu.describe())
plan = Plan(devices=tuple(d.index for d in devices), workers=4)
cause, category = sys.argv[1].split(",")
primary = Cause(cause, "A title", category, Confidence.CERTAIN, (EvidenceLine("stderr.log", 214, "text"),))
history = (AttemptRecord(3, plan, cause, "print", 100, 0, worker="GPU0.3" if category == "gpu-memory" else None),)
context = RunContext(widest=plan, devices=devices, cores=8, open_frames=100)
decision = decide(Verdict(Health.FAILURE, primary), history, telemetry, plan, context)
out = {"kind": type(decision).__name__, "sentence": decision.sentence}
if isinstance(decision, Wait):
    read = lambda: gpu.sample()[0].free
    out["waited"] = wait_for_bytes(read, decision.until.free, bound=10, first=0.02, longest=0.05)
    out["otherwise"] = decision.otherwise.sentence
else:
    out["devices"] = decision.plan.devices
print(json.dumps(out))
"""


def test_a_card_that_another_program_fills_is_waited_for_until_it_is_free_again(play: Play) -> None:
    script = "0 0 total 8192\n0 0 free 7900\n2 0 free 410\n2 0 procs 1:7300\n40 0 free 7900\n40 0 procs 2:1\n"
    out = play(script, CHILD, "gpu-oom-tensor,gpu-memory", "[null, 410]")
    assert out["kind"] == "Wait"
    assert out["waited"] is True
    assert "GPU 0 had 0.4 of 8.0 GiB free when worker GPU0.3 died" in out["sentence"]
    assert "held 7.1 GiB (stderr.log:214)" in out["sentence"]
    assert "4 workers -> 2" in out["otherwise"]


def test_the_card_that_falls_off_the_bus_is_the_one_left_out(play: Play) -> None:
    script = "0 - count 2\n"
    script += "".join(f"0 {card} total 8192\n0 {card} free 7900\n" for card in (0, 1))
    script += "3 1 xid 79\n5 1 error 15\n"
    out = play(script, CHILD, "xid-79-off-bus,hardware", "[true, 7900]")
    assert out["kind"] == "NextPlan"
    assert out["devices"] == [0]
    assert (
        "GPU 1 is left out, continuing with GPU 0: A title on GPU 1: Xid 79, the driver lost it"
        in out["sentence"]
    )
