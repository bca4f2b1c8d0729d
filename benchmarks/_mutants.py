"""The mutations of the critical paths: each a small, exact change that a stranger might make by mistake.

`FIRST` was chosen while the tests were looked at; `SECOND` and `THIRD` before any test for them was, so that they show
how many of a stranger's are found. The tests named are those of the room that is changed, not the one that finds it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """`old` stands exactly once in `file`; it is replaced by `new`, and one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


FACESET = ("tests/faceset/test_promotion.py", "tests/faceset/test_durability.py")
QUEUE = ("tests/extractors/test_frame_queue.py",)
PLANNING = ("tests/planning",)
WATCHDOG = ("tests/supervisor/liveness/test_watchdog.py",)
TREE = ("tests/supervisor/process/test_tree.py",)
RUN_FOLDER = ("tests/supervisor/test_run_folder.py",)
RECONCILE = ("tests/supervisor/reconcile",)
PROMOTION = "dflwrap/faceset/promotion.py"
MOVING = "dflwrap/faceset/moving.py"
FRAME_FAILURES = "dflwrap/extractors/frame_failures.py"
SUPERVISOR = "dflwrap/supervisor"

FIRST = (
    Mutation(
        "a face is not flushed before it is moved",
        *(
            PROMOTION,
            "            flush_files([self._run_folder / move.source for move in moves if move.facts is not None])\n",
            "            pass\n",
            FACESET,
        ),
    ),
    Mutation(
        "moved before it is journalled",
        PROMOTION,
        "        self._ledger.journal(moves)\n        self._make(moves)\n",
        "        self._make(moves)\n        self._ledger.journal(moves)\n",
        FACESET,
    ),
    Mutation(
        "the folder is not flushed",
        *(PROMOTION, "            flush_folder(folder)\n", "            pass\n", FACESET),
    ),
    Mutation(
        "settled before it is moved",
        PROMOTION,
        "        self._make(moves)\n        came_back",
        "        self._ledger.settle_promoted(frames, attempt)\n        self._make(moves)\n        came_back",
        FACESET,
    ),
    Mutation(
        "a torn file is moved by the recovery",
        PROMOTION,
        "                except FaceFileError:\n                    return None\n",
        "                except FaceFileError:\n                    pass\n",
        FACESET,
    ),
    Mutation(
        "recovery settles what is missing",
        PROMOTION,
        "            elif not os.path.lexists(target):\n                return None\n",
        "            elif not os.path.lexists(target):\n                continue\n",
        FACESET,
    ),
    Mutation(
        "a face of the user's is replaced",
        *(
            MOVING,
            "        os.link(source, target, follow_symlinks=False)\n",
            "        os.replace(source, target)\n        return\n",
        ),
        FACESET,
    ),
    Mutation(
        "the retry may be the last frame's neighbour",
        FRAME_FAILURES,
        "(self._second_tries.again if place else self._second_tries.last_alone).append(failure.frame)",
        "self._second_tries.again.append(failure.frame)",
        QUEUE,
    ),
    Mutation(
        "an unhealthy worker is replaced one failure late",
        *(
            FRAME_FAILURES,
            "if len(worker.held) >= ERRORS_IN_ROW:",
            "if len(worker.held) > ERRORS_IN_ROW:",
            QUEUE,
        ),
    ),
    Mutation(
        "a frame that killed its worker gets no second try",
        FRAME_FAILURES,
        'if not self._is_copy(frame) and self._second_tries.grant(frame, "death"):',
        "if False:",
        QUEUE,
    ),
    Mutation(
        "blame: four frames, not three, mean an unhealthy extractor",
        *(
            "dflwrap/planning/blame.py",
            "len(seen) >= UNHEALTHY_AFTER",
            "len(seen) > UNHEALTHY_AFTER",
            PLANNING,
        ),
    ),
    Mutation(
        "decide: one attempt without progress more",
        "dflwrap/planning/policy.py",
        "if attempts_without_progress(case.history) >= ATTEMPTS_WITHOUT_PROGRESS:",
        "if attempts_without_progress(case.history) > ATTEMPTS_WITHOUT_PROGRESS:",
        PLANNING,
    ),
    Mutation(
        "the kernel cache is no excuse for a slow first frame",
        f"{SUPERVISOR}/liveness/watchdog.py",
        "now - self._last_progress > self.bound() and not self._cache_grew(now)",
        "now - self._last_progress > self.bound()",
        WATCHDOG,
    ),
    Mutation(
        "a detached grandchild outlives the tree",
        *(f"{SUPERVISOR}/process/guard.py", "    _prctl(_PR_SET_CHILD_SUBREAPER, 1)\n", "", TREE),
    ),
    Mutation(
        "frames that were lost end with exit code 0",
        *(
            f"{SUPERVISOR}/ending.py",
            "counts.quarantined or counts.open or _lost(ledger)",
            "counts.quarantined",
        ),
        ("tests/supervisor/disk/test_read_errors.py", "tests/cli/test_exit_codes.py"),
    ),
    Mutation(
        "the pickle wall lets any global through",
        "dflwrap/faceset/face_file/pickle_data.py",
        "    if known is None:\n        raise HostileMetadataError(\n",
        "    if known is None and not isinstance(name, str):\n        raise HostileMetadataError(\n",
        ("tests/faceset/test_hostile.py", "tests/faceset/test_metadata.py"),
    ),
    Mutation(
        "waiting for a full disk never ends",
        f"{SUPERVISOR}/disk/disk_pause.py",
        "        if self._without_progress > MOST_WITHOUT_PROGRESS:\n            return False\n",
        "",
        ("tests/supervisor/disk/test_disk_pause.py",),
    ),
    Mutation(
        "faces of another type are adopted into the faceset",
        f"{SUPERVISOR}/reconcile/adoption.py",
        "    if stranger.face_type != options.face_type:\n        return True\n",
        "",
        ("tests/supervisor/test_intake.py", *RECONCILE),
    ),
    Mutation(
        "the second Ctrl-C does nothing",
        *(f"{SUPERVISOR}/stop_request.py", "        elif not self._now.is_set():", "        elif False:"),
        ("tests/cli/test_signals.py", "tests/supervisor/attempt/test_main_process.py"),
    ),
    Mutation(
        "a settled frame is settled again",
        "dflwrap/ledger/frames.py",
        '                " WHERE id = ? AND outcome IS NULL",\n                [(o.value',
        '                " WHERE id = ?",\n                [(o.value',
        ("tests/ledger/test_ledger.py",),
    ),
)

SECOND = (
    Mutation(
        "a second dflwrap is let in",
        *(
            f"{SUPERVISOR}/run_folder.py",
            "            self.attempts.mkdir(exist_ok=True)\n            self._lock.acquire()\n",
        ),
        "            self.attempts.mkdir(exist_ok=True)\n",
        RUN_FOLDER,
    ),
    Mutation(
        "a begun faceset is continued with another image size",
        f"{SUPERVISOR}/reconcile/start.py",
        '"max_faces_from_image", "image_size", "jpeg_quality", "more")',
        '"max_faces_from_image", "jpeg_quality", "more")',
        (*RECONCILE, "tests/supervisor/test_intake.py"),
    ),
    Mutation(
        "a decoder that hangs is not ended",
        "dflwrap/frames/conversion.py",
        "        except queue.Empty:\n            self.close()\n",
        "        except queue.Empty:\n",
        ("tests/frames/test_conversion.py",),
    ),
    Mutation(
        "a driver that answers an error ends the telemetry",
        "dflwrap/telemetry/nvml.py",
        "                raise _LostError from error\n            return None\n",
        "                raise _LostError from error\n            raise\n",
        ("tests/telemetry/test_nvml.py",),
    ),
    Mutation(
        "a consequence is called a cause",
        "dflwrap/diagnosis/causality.py",
        "            if any(other not in mutual for other in explainers):\n",
        "            if all(other not in mutual for other in explainers) and False:\n",
        ("tests/diagnosis/test_causality.py", "tests/diagnosis/test_deciding.py"),
    ),
    Mutation(
        "a stopped process is not noticed",
        f"{SUPERVISOR}/liveness/watchdog.py",
        "now - self._stopped_since > STOPPED_BOUND:",
        "now - self._stopped_since > 100 * STOPPED_BOUND:",
        WATCHDOG,
    ),
    Mutation(
        "extracted frames may be reopened",
        "dflwrap/ledger/frames.py",
        """f" WHERE outcome != 'extracted' AND ({where})",""",
        'f" WHERE ({where})",',
        ("tests/ledger/test_ledger.py",),
    ),
    Mutation(
        "a faceset that was emptied during the run is not noticed",
        *(
            f"{SUPERVISOR}/reconcile/end.py",
            "if own_gone and 2 * own_gone > own:",
            "if False:",
            RECONCILE,
        ),
    ),
    Mutation(
        "--redo leaves the old faces",
        f"{SUPERVISOR}/reconcile/redo.py",
        "            put_aside(face.name)\n",
        "            pass\n",
        ("tests/supervisor/test_intake.py", *RECONCILE),
    ),
    Mutation(
        "--redo takes edited faces",
        f"{SUPERVISOR}/reconcile/redo.py",
        "if not even_edited and any(f.edited or _has_handwork(faceset / f.name) for f in own):",
        "if not even_edited and any(_has_handwork(faceset / f.name) for f in own):",
        ("tests/supervisor/test_intake.py", *RECONCILE),
    ),
    Mutation(
        "the second stop request waits for the frames in flight",
        f"{SUPERVISOR}/attempt/monitor.py",
        "if self._black_box or self._control.at_once or now - stop_since > GENTLE_BOUND:",
        "if self._black_box or now - stop_since > GENTLE_BOUND:",
        ("tests/supervisor/attempt/test_main_process.py", "tests/cli/test_signals.py"),
    ),
    Mutation(
        "a prompt is waited for",
        f"{SUPERVISOR}/attempt/monitor.py",
        "if self._prompt and now - self._prompt[1] > PROMPT_BOUND:",
        "if False:",
        (
            "tests/supervisor/test_double_faults.py::test_a_question_is_refused_not_waited_for",
            "tests/supervisor/attempt/test_prompt.py",
        ),
    ),
    Mutation(
        "a link in place of an attempt's folder is followed for deleting",
        *(f"{SUPERVISOR}/run_folder.py", "    if is_link(folder):\n        return\n", "", RUN_FOLDER),
    ),
    Mutation(
        "undo removes what others have put into the run folder",
        f"{SUPERVISOR}/run_folder.py",
        "            if not expected.issuperset(os.listdir(self.path)) or is_link(self.attempts):  # noqa: PTH208\n"
        "                return\n",
        "",
        RUN_FOLDER,
    ),
    Mutation(
        "a frame that is refused counts as gained",
        f"{SUPERVISOR}/attempt/outcomes.py",
        "            self.gained.discard(bad.frame.id)\n",
        "",
        ("tests/supervisor/attempt/test_outcomes.py",),
    ),
    Mutation(
        "waits for video memory that the extractor itself holds",
        "dflwrap/planning/policy.py",
        "if device.ours_peak is not None and taken <= device.ours_peak + VRAM_SLACK:",
        "if False:",
        PLANNING,
    ),
    Mutation(
        "one slot's success proves the failures of another",
        FRAME_FAILURES,
        "self._take_unproven(lambda one: one.died or one.slot is worker.slot)",
        "self._take_unproven(lambda one: True)",
        QUEUE,
    ),
    Mutation(
        "recovery moves a file from behind a link",
        PROMOTION,
        "return os.path.lexists(source) and not any(is_link(self._run_folder / one) for one in on_the_way)",
        "return os.path.lexists(source)",
        FACESET,
    ),
    Mutation(
        "the tree outlives dflwrap's end",
        f"{SUPERVISOR}/process/guard.py",
        '        if order == b"T":\n',
        '        if order in (b"T", b""):\n',
        TREE,
    ),
    Mutation(
        "a disagreement of two frames ends the attempt",
        *(
            "dflwrap/planning/yields.py",
            "found >= DISAGREE_LEAST and found",
            "found >= 1 and found",
            PLANNING,
        ),
    ),
)

THIRD = (
    Mutation(
        "the end of an attempt has the timeout of a start",
        f"{SUPERVISOR}/liveness/watchdog.py",
        "            return FINISH_BOUND\n",
        "            return self._startup_timeout\n",
        WATCHDOG,
    ),
    Mutation(
        "handing out one frame again and again is progress",
        f"{SUPERVISOR}/liveness/watchdog.py",
        "            if self._handed_out[frame] <= MOST_HANDED_OUT:\n",
        "            if True:\n",
        WATCHDOG,
    ),
    Mutation(
        "a process that runs again counts as stopped",
        f"{SUPERVISOR}/liveness/watchdog.py",
        "        else:\n            self._stopped_since = None\n",
        "",
        WATCHDOG,
    ),
    Mutation(
        "everything fails, and it is not given up",
        *(
            FRAME_FAILURES,
            "if len(self._unproven) >= MOST_UNPROVEN:",
            "if len(self._unproven) >= 1000:",
            QUEUE,
        ),
    ),
    Mutation(
        "a success does not end a row of deaths",
        *(FRAME_FAILURES, "self.deaths, self.worked = 0, True", "self.worked = True", QUEUE),
    ),
    Mutation(
        "a slot is disabled though no other works",
        FRAME_FAILURES,
        "if self.all_fail_on(slot) and works and not slot.disabled",
        "if self.all_fail_on(slot) and not slot.disabled",
        QUEUE,
    ),
    Mutation(
        "the failures that a lost worker held back are dropped",
        FRAME_FAILURES,
        "        if worker.held:\n            self.try_elsewhere(worker)\n        if self.deaths",
        "        if self.deaths",
        QUEUE,
    ),
    Mutation(
        "what was in work is not suspected",
        *("dflwrap/planning/blame.py", "    if in_work:\n        return tuple(in_work)\n", "", PLANNING),
    ),
    Mutation(
        "a frame is blamed for memory while the card was full",
        "dflwrap/planning/blame.py",
        "free = telemetry is not None and telemetry.memory.short is False",
        "free = True",
        PLANNING,
    ),
    Mutation(
        "a full disk is a frame's fault",
        "dflwrap/planning/blame.py",
        "        category in FRAME_BOUND\n",
        "        True\n",
        PLANNING,
    ),
    Mutation(
        "a rung is taken once more than its row allows",
        "dflwrap/planning/policy.py",
        "if rung not in REPEATABLE and used.count(rung) >= allowed:",
        "if rung not in REPEATABLE and used.count(rung) > allowed:",
        PLANNING,
    ),
    Mutation(
        "a driver gets no time to come back",
        "dflwrap/planning/policy.py",
        'pause = DRIVER_PAUSE if case.category == "gpu-driver" else TRANSIENT_PAUSE',
        "pause = TRANSIENT_PAUSE",
        PLANNING,
    ),
    Mutation(
        "a face of another frame is taken",
        PROMOTION,
        "            if metadata.source_filename != item.batch_name:\n",
        "            if False:\n",
        FACESET,
    ),
    Mutation(
        "gaps in the list of faces are taken",
        *(PROMOTION, "        if indices != set(range(len(item.faces))):\n", "        if False:\n", FACESET),
    ),
    Mutation(
        "a link in the place of a face is followed",
        PROMOTION,
        "            if path.is_symlink() or (path.exists() and not path.is_file()):\n",
        "            if path.exists() and not path.is_file():\n",
        FACESET,
    ),
    Mutation(
        "a frame without faces is called extracted",
        "dflwrap/ledger/faces.py",
        "outcome = Outcome.EXTRACTED if faces else Outcome.NO_FACE\n",
        "outcome = Outcome.EXTRACTED\n",
        ("tests/faceset/test_promotion.py", "tests/ledger/test_ledger.py"),
    ),
    Mutation(
        "half a transaction stays",
        "dflwrap/ledger/store.py",
        "            except BaseException:\n                self._roll_back()\n                raise\n",
        '            except BaseException:\n                self.db.execute("COMMIT")\n                raise\n',
        ("tests/ledger/test_ledger.py",),
    ),
    Mutation(
        "a damaged ledger is opened",
        *(
            "dflwrap/ledger/store.py",
            '        if answer != "ok":\n',
            "        if False:\n",
            ("tests/ledger/test_ledger.py",),
        ),
    ),
    Mutation(
        "the only copy goes before its new name is on the disk",
        MOVING,
        "    flush_folder(target.parent)  # the source goes next: it may be the only copy that outlives a power cut\n",
        "",
        FACESET,
    ),
    Mutation(
        "what a cut-off move left is removed, whatever it holds",
        MOVING,
        "if not part.is_symlink() and part.is_file() and _begins_with(whole, part):",
        "if not part.is_symlink() and part.is_file():",
        FACESET,
    ),
)
