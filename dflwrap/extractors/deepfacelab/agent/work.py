"""The frames of a run: which comes next, which gets a second chance, and who is to blame.

A failure may be the frame's own or its surroundings'. What tells them apart is a frame that succeeds: until
then, frames that failed twice are suspects, and when too many are, the machine is to blame and none of them.
"""
# mypy: ignore-errors

import collections

ELSEWHERE_AFTER = 4
"""After so many deaths in a row, or with a suspect frame, frames come from the middle of what is left:
neighbours in a video are alike, and one that succeeds settles it."""
DOUBTS = 24
"""So many suspect frames at once: everything fails here."""
HUNG = 4
"""Different frames, from all over the batch, that hang where nothing has ever succeeded: it is not the frames. Each
costs a whole timeout, so a second try of each would only double the time."""


class Work:
    def __init__(self, extract, settings, repairs):
        self._extract, self._settings, self._repairs = extract, settings, repairs
        self._suspects = collections.deque()  # their worker died: only for a fresh worker
        self._again = collections.deque()  # frames of an unhealthy worker
        self._late = collections.deque()  # the first to fail on an unhealthy worker: may have made it so
        self._tried = collections.Counter()  # second chances given, by frame name and reason
        self._doubtful = []  # [(slot, data, report)]: failed twice, and its slot has had no success since
        self._deaths_in_row = 0
        self._hung = set()  # names of frames that hung while nothing had succeeded yet
        self._worked = False  # a frame has succeeded
        self._kept = None  # a fresh worker kept for a suspect whose copy is not there yet
        self.exhausted = False  # no frame is left that has never been tried

    @property
    def left(self):
        return not self.exhausted or self.waits or self._repairs.waiting

    @property
    def waits(self):
        """Frames that have been tried once wait for another worker."""
        return bool(self._suspects or self._again or self._late)

    @property
    def has_suspects(self):
        """A suspected frame waits for the next fresh worker."""
        return bool(self._suspects) and not self._others_first

    @property
    def _others_first(self):
        """Something hangs from the start: another frame tells more than the same one again."""
        return bool(self._hung) and not self._worked and bool(self._extract.input_data)

    @property
    def needs_fresh_worker(self):
        """Only frames that must be a worker's first are left."""
        return self.exhausted and not self._again and bool(self._suspects or self._late)

    @property
    def only_copies(self):
        """Nothing is left, or will come, that could show a worker to be well."""
        return self.exhausted and not self.waits

    def next_for(self, member, others_busy):
        """The next frame for a free worker, or None. others_busy: another worker may yet be shown to be well."""
        fresh = member.frames_done == 0
        if self.has_suspects and fresh:
            if self._repairs.answered(self._suspects[0]):
                self._kept = None
                return self._repairs.second_try(self._suspects.popleft(), proves=True)
            if self._kept in (None, member):
                self._kept = member
                return None
        if self._again:
            return self._again.popleft()
        if self._late and fresh and self.exhausted:
            return self._late.popleft()
        if self._repairs.waiting and (member.is_well or (self.only_copies and not others_busy)):
            copy = self._repairs.ready(proves=member.is_well)
            if copy is not None:
                return copy
        frames = self._extract.input_data
        if frames and (self._doubtful or self._others_first or self._deaths_in_row >= ELSEWHERE_AFTER):
            return frames.pop(len(frames) // 2)
        data = self._extract.get_data(member.slot.host_dict)
        self.exhausted = self.exhausted or data is None
        if data is None and self._late and fresh:
            return self._late.popleft()
        return data

    def succeeded(self, slot):
        """A frame has succeeded there, so that device works: its suspect frames are to blame; they are returned.

        So are those that killed a worker anywhere: this one has survived. What fails on another device only
        may be that device's fault.
        """
        self._deaths_in_row, self._worked = 0, True
        return self._settled(lambda doubt: doubt[0] is slot or doubt[2]["kind"] == "worker_lost")

    def settled(self):
        """Nothing more will show who is to blame: the suspect frames, whose failures stand now."""
        return self._settled(lambda doubt: True)

    def errors_in_doubt(self, slot):
        """How many frames have failed there since it got a new worker, with no success in between."""
        return sum(doubt[0] is slot and doubt[2]["kind"] != "worker_lost" for doubt in self._doubtful)

    def slot_given_up(self, slot):
        """Its suspect frames get one more try elsewhere."""
        for _, data, _ in self._settled(
            lambda doubt: doubt[0] is slot and self._chance(doubt[1], "elsewhere")
        ):
            self._again.append(data)

    def _settled(self, certain):
        settled, doubtful = [], []
        for doubt in self._doubtful:
            (settled if certain(doubt) else doubtful).append(doubt)
        self._doubtful = doubtful
        return settled

    def worker_died(self, member, status):
        """In start-up nothing is learned of frames; later, its frame gets one more try in a fresh worker."""
        self._kept = None
        self._deaths_in_row += 1
        data = member.frame
        if data is not None and not self._repairs.is_copy(data) and self._chance(data, "death"):
            self._repairs.ask(data)
            self._suspects.append(data)
        elif data is not None:
            why = "{}, exit status {}".format(member.reason or "died", status)
            error = f"the worker was lost twice in this frame ({why})"
            report = {"kind": "worker_lost", "error": error, "traceback": ""}
            self._doubtful.append((member.slot, data, report))
        if data is not None and member.reason in ("hang", "spin") and not self._worked:
            self._hung.add(data.filepath.name)
            if len(self._hung) >= HUNG:
                raise Exception(f"{len(self._hung)} different frames hang, none got done")
        if self._deaths_in_row >= self._settings.deaths_in_row:
            text = "{} workers in a row were lost, none got a frame done"
            raise Exception(text.format(self._deaths_in_row))

    def failed_in_row(self, member):
        """(failures that stand, whether to replace the worker) for what a worker holds back.

        Frames get one more try in a new worker. A new worker that has not had a success either agrees with
        the one before it: then its frames are suspect, and replacing it again would teach nothing.
        """
        held, member.held = member.held, []
        if member.slot.unhealthy and not member.good_frames:
            self._doubtful += [(member.slot, data, report) for data, report in held]
            if len(self._doubtful) >= DOUBTS:
                error = held[-1][1].get("error", "")
                raise Exception(f"{len(self._doubtful)} frames in a row have failed: {error}")
            return [], False
        standing = []
        for index, (data, report) in enumerate(held):
            if not self._chance(data, "sick"):
                standing.append((data, report))
            elif index == 0:
                self._late.append(data)
            else:
                self._again.append(data)
        return standing, len(standing) < len(held)

    def _chance(self, data, reason):
        """True the first time a frame asks for a second chance for this reason."""
        key = (data.filepath.name, reason)
        self._tried[key] += 1
        return self._tried[key] == 1
