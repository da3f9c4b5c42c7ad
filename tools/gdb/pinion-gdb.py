# SPDX-License-Identifier: MIT
"""Shows gdb what pinion has in a program, in a live process and in a core file.

    (gdb) source pinion-gdb.py
    (gdb) pinion workers         every pool and loop, its workers, their threads and states
    (gdb) pinion tasks           every task that runs, waits or is queued: its function, and where
    (gdb) pinion queues          how much stands in each worker's queue and each node's lane
    (gdb) pinion queues jobs     what a struct pinion_queue of the program's holds
    (gdb) pinion fibers          every fiber: its worker, its state, its task's function
    (gdb) pinion fibers -bt      and where each stands; 'workers' and 'tasks' take it, too
    (gdb) pinion bt 3            where one stands; or 'all', or its address
    (gdb) pinion fiber 3         its frames in place of the selected thread's, for 'up' and 'info
                                 locals'; without a number: no more
    (gdb) pinion gcore FILE      a core file with the stacks of fibers in it

pinion must have its debug information. A fiber is found in the slabs that stacks are cut from, by
the magic number at the top of each; those with stacks above 4 MiB, which are mapped one by one, are
found only while they run or are ready. A fiber that sleeps goes on where its struct says: that is
shown as if it had called the innermost function of the selected thread.
"""
import struct

import gdb
import gdb.types
import gdb.unwinder

ALIVE = 0x6e6f696e69506276  # PN_FIBER_ALIVE (fiber.h)
CLASS_MIN = 16 * 1024  # PN_STACK_CLASS_MIN (stack.h)
ALIGNMENT_MASK = 63  # of what lies at the top of a stack (pn_stack_top)
FRAMES_MAX = 200
PAGE = 4096
RESERVE_FIRST = 8  # PN_RESERVE_FIRST (crew.h)
LANE_RING = 1024  # PN_LANE_RING (lane.h)
STATES = "running", "searching", "parked"  # PN_STATE_… (counters.h)
KINDS = "async", "detached", "concurrent", "parallel", "errand"  # enum pn_task_kind (task.h)
NO_NODE = 0xffffffff  # PINION_NO_NODE
PHASE = 3  # PN_TASK_PHASE; 0: QUEUED (task.h)

# Of switch.h, where a saved stack pointer is all that a sleeping fiber has: where from there up the
# registers lie, and how much they take.
AARCH64 = {"bytes": 176, "pc": 88, "x30": 88, "x29": 80,
           **{"x%d" % (19 + i): 8 * i for i in range(10)}}


def pointer_to(name):
    try:
        return gdb.lookup_type("struct " + name).pointer()
    except gdb.error:
        raise gdb.GdbError("no debug information of pinion: build it with -Ddebug=true, and load "
                           "it") from None


def read(address, count):
    """Bytes; None where they can't be read, as where a core file has left them out."""
    try:
        return bytes(gdb.selected_inferior().read_memory(address, count))
    except gdb.MemoryError:
        return None


def u64(address):
    return int.from_bytes(read(address, 8) or b"", "little")


def follow(first, link):
    """Those of a list."""
    while first:
        yield first
        first = first[link]


def crews():
    """Every pool and loop that is alive."""
    crew_type = pointer_to("pn_crew")
    for symbol in gdb.lookup_static_symbols("registry", gdb.SYMBOL_VAR_DOMAIN):
        if str(symbol.type.unqualified()) == str(crew_type):
            yield from follow(symbol.value(), "next_crew")


def loops():
    """Every loop that is alive, and not a pool."""
    for crew in crews():
        if crew["kind"]["noun"].string() == "loop":
            yield crew.cast(pointer_to("pinion_loop"))


# ---- where a fiber stands ----

class Unwinder(gdb.unwinder.Unwinder):
    """Gives the innermost frame of the selected thread a caller: where a fiber will go on."""

    class Id:  # pylint: disable=too-few-public-methods
        def __init__(self, sp, pc):
            self.sp, self.pc = sp, pc

    def __init__(self):
        super().__init__("pinion-fiber")
        self.registers = self.thread_sp = None

    def set(self, registers):
        """registers: {name: value} of the fiber; None: the thread as it is."""
        self.registers = None
        gdb.invalidate_cached_frames()
        if registers:
            self.thread_sp = int(gdb.newest_frame().read_register("sp"))
            self.registers = registers
            gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if not self.registers or int(pending.read_register("sp")) != self.thread_sp:
            return None
        word = gdb.lookup_type("unsigned long")
        below = self.registers[stack_register(pending.architecture())] - 16
        frame = pending.create_unwind_info(
            self.Id(gdb.Value(below).cast(word), gdb.Value(0).cast(word)))
        for name, value in self.registers.items():
            frame.add_saved_register(name, gdb.Value(value).cast(word))
        return frame


def stack_register(architecture):
    return "rsp" if "x86-64" in architecture.name() else "sp"


def registers_of(fiber):
    """As they will be when it goes on."""
    at = fiber["at"]
    sp = int(at["stack_pointer"])
    architecture = gdb.selected_inferior().architecture().name()
    if "x86-64" in architecture and gdb.types.has_field(at.type, "next"):
        return {"rsp": sp, "rip": int(at["next"]), "rbp": int(at["frame"])}
    if "aarch64" in architecture:
        registers = {name: u64(sp + offset) for name, offset in AARCH64.items() if name != "bytes"}
        return {"sp": sp + AARCH64["bytes"], **registers}
    raise gdb.GdbError("on %s the script doesn't know how fibers are switched" % architecture)


def caller_of_all():
    """The frame that called the innermost function, whatever is inlined there."""
    frame = gdb.newest_frame()
    while frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
    return frame.older()


def older(frame):
    count = 0
    while frame and frame.is_valid() and count < FRAMES_MAX:
        yield frame
        frame = frame.older()
        count += 1


def arguments_of(frame):
    words = []
    try:
        block = frame.block()
        while not block.function:
            block = block.superblock
        for symbol in block:
            if symbol.is_argument:
                value = symbol.value(frame)
                words.append("%s=%s" % (symbol.print_name, value.format_string(max_elements=8)))
    except (gdb.error, RuntimeError):
        pass
    return ", ".join(words)


def describe(number, frame):
    """As gdb's own backtrace has it."""
    line = frame.find_sal()
    name = frame.name() or "??"
    where = " at %s:%d" % (line.symtab.filename, line.line) if line.symtab else ""
    inlined = "" if frame.type() == gdb.INLINE_FRAME else "0x%016x in " % frame.pc()
    return "#%-3d%s%s (%s)%s" % (number, inlined, name, arguments_of(frame), where)


# ---- fibers ----

class Fiber:
    def __init__(self, fiber, number):
        self.fiber, self.number = fiber, number
        self.address = int(fiber)
        self.engine = fiber["argument"].cast(pointer_to("pn_engine"))
        self.low, self.bytes = int(fiber["stack"]["low"]), int(fiber["stack"]["bytes"])
        self.is_running = int(self.engine["running"]) == self.address

    def thread(self):
        """That has its stack pointer in the fiber's stack; None: it does not run."""
        before = gdb.selected_thread()
        try:
            for thread in gdb.selected_inferior().threads():
                thread.switch()
                sp = int(gdb.newest_frame().read_register("sp"))
                if self.low <= sp < self.low + self.bytes:
                    return thread
        finally:
            before.switch()
        return None

    def on_its_frames(self, act):
        """act(its innermost frame), or None where there is none."""
        before = gdb.selected_thread()
        try:
            if self.is_running:
                thread = self.thread()
                if not thread:
                    return None
                thread.switch()
                return act(gdb.newest_frame())
            UNWINDER.set(registers_of(self.fiber))
            return act(caller_of_all())
        finally:
            UNWINDER.set(None)
            before.switch()

    def context(self):
        """The struct pn_context of what it does: in the thread while it runs."""
        if not self.is_running:
            return self.fiber["context"]
        return self.on_its_frames(lambda frame: gdb.parse_and_eval("pn_context_of_thread"))

    def task(self):
        """That it runs; None: it can't be told."""
        try:
            return self.context()["task"]
        except (gdb.error, TypeError):
            return None

    def function(self):
        """That of its task, by name."""
        return function_of(self.task())

    def state(self):
        if self.is_running:
            thread = self.thread()
            return "running in thread %d" % thread.num if thread else "running"
        slot = self.engine["slot"]
        for queue in (self.engine["first"], slot["inbox"].cast(self.fiber.type)):
            if any(int(one) == self.address for one in follow(queue, "next")):
                return "ready"
        return "waiting in %s" % (self.on_its_frames(waits_in) or "?")

    def worker(self):
        index = int(self.engine["slot"]["worker"]["index"])
        return "pinion/%d" % index if index else "caller"

    def backtrace(self):
        def show(frame):
            for number, one in enumerate(older(frame)):
                print(describe(number, one))
        self.on_its_frames(show)

    def line(self):
        return "%-4d 0x%x  %-10s %-34s %s" % (self.number, self.address, self.worker(),
                                             self.state(), self.function())


def function_of(task):
    """By name; "-" of no task, "?" if it can't be told."""
    if task is None:
        return "?"
    try:
        if not task:
            return "-"
        name = symbol_at(int(task["start"]))
        if name == "run_main":  # (run.c) the call is in its context
            at = int(task) + int(task["context_offset"])
            mission = gdb.Value(u64(at)).cast(pointer_to("mission"))
            name = symbol_at(int(mission["call"]["start"]))
        plain = name[:-len("_start")]
        return plain if name == plain + "_start" and is_typed_task(plain) else name
    except gdb.error:
        return "?"


def symbol_at(address):
    words = gdb.execute("info symbol 0x%x" % address, to_string=True).split()
    return "?" if words[:2] == ["No", "symbol"] else words[0]


def is_typed_task(name):
    """Whether PINION_TASK made it, and with it a function that takes its arguments apart."""
    try:
        return bool(gdb.lookup_type("struct %s_args" % name))
    except gdb.error:
        return False


def waits_in(frame):
    """The call of pinion's that it waits in; one of those below it where that left no frame."""
    called = below = None
    library = gdb.solib_name(frame.pc())
    for one in older(frame):
        name = one.name() or ""
        if name.startswith("pinion_"):
            called = name
        elif called:
            return called
        elif gdb.solib_name(one.pc()) != library:
            return below
        below = name
    return called


def stacks_of(loop):
    """(lowest address, bytes) of each that the slabs have room for."""
    for i in range(int(loop["crew"]["node_count"])):
        depot = loop["depots"][i].cast(pointer_to("pn_stack_depot")).dereference()
        guard, shelves = int(depot["guard_bytes"]), depot["shelves"]
        for number in range(shelves.type.range()[1] + 1):
            size = CLASS_MIN << number
            for slab in follow(shelves[number]["slabs"], "next"):
                base = int(slab["base"])
                for low in range(base, base + int(slab["length"]), guard + size):
                    yield low + guard, size


def slots_of(loop):
    crew = loop["crew"]
    for i in range(int(crew["scheduler"]["high"])):
        yield gdb.Value(int(crew["base"][i])).cast(pointer_to("pn_loop_worker"))


def engines(loop):
    for slot in slots_of(loop):
        engine = gdb.Value(int(slot["engine"])).cast(pointer_to("pn_engine"))
        if engine:
            yield slot, engine


def candidates(loop):
    """Where a fiber may lie."""
    size = pointer_to("pn_fiber").target().sizeof
    for low, length in stacks_of(loop):
        yield (low + length - size) & ~ALIGNMENT_MASK
    for slot, engine in engines(loop):
        if engine["running"] != engine["home"]:
            yield int(engine["running"])
        for queue in (engine["first"], slot["inbox"].cast(pointer_to("pn_fiber"))):
            for fiber in follow(queue, "next"):
                yield int(fiber)


def fibers():
    """Those of every loop that have begun and not ended, numbered from 1."""
    fiber_type = pointer_to("pn_fiber")
    magic_at = [field.bitpos // 8 for field in fiber_type.target().fields()
                if field.name == "magic"][0]
    found, seen = [], set()
    for loop in loops():
        for _, engine in engines(loop):  # no task runs at home, but a parallel one on its thread
            seen.update((int(engine["thread"].address), int(engine["home"])))
        for address in candidates(loop):
            if address in seen:
                continue
            seen.add(address)
            if u64(address + magic_at) == ALIVE:
                found.append(Fiber(gdb.Value(address).cast(fiber_type), len(found) + 1))
    return found


def count_lacking(found):
    """How many more the loops count."""
    counted = sum(int(slot["fibers"]) for loop in loops() for slot in slots_of(loop))
    return max(0, counted - len(found))


def named(word):
    """The fiber with that number or address."""
    found = fibers()
    try:
        number = int(gdb.parse_and_eval(word))
    except gdb.error:
        number = -1
    for fiber in found:
        if number in (fiber.number, fiber.address):
            return fiber
    raise gdb.GdbError("'%s' is no fiber; 'pinion fibers' shows those that there are" % word)


# ---- workers, tasks, queues ----

def slots(crew):
    """Each struct pn_worker of a crew: the caller's, base slots, reserve slots."""
    worker = pointer_to("pn_worker")
    if crew["caller"]:
        yield crew["caller"]
    for i in range(int(crew["scheduler"]["high"])):
        yield gdb.Value(int(crew["base"][i])).cast(worker)
    left, size, chunk = int(crew["reserve_count"]), RESERVE_FIRST, 0
    while left > 0:
        chunk_of = gdb.Value(int(crew["reserves"][chunk])).cast(worker.pointer())
        for i in range(min(left, size)):
            yield chunk_of[i]
        left, size, chunk = left - size, size * 2, chunk + 1


def name_of(slot):
    """As its thread has it."""
    index, role = int(slot["index"]), str(slot["role"])
    is_program = role == "PN_BASE" and index == 0 and slot["crew"]["kind"]["has_program_seat"]
    if role == "PN_CALLER" or is_program:
        return "caller"
    return ("pinion/r%d" if role == "PN_RESERVE" else "pinion/%d") % index


def thread_of(slot):
    """gdb's thread that is in a slot; None: there is none."""
    number = int(slot["record"]["thread"])
    for thread in gdb.selected_inferior().threads():
        if number and thread.ptid[1] == number:
            return thread
    return None


def in_thread(thread, act):
    """act() with it selected."""
    before = gdb.selected_thread()
    try:
        thread.switch()
        return act()
    finally:
        before.switch()


def print_frames():
    for number, frame in enumerate(older(gdb.newest_frame())):
        print(describe(number, frame))


def tasks_of_thread():
    """Those that run on the selected thread, innermost first."""
    try:
        context = gdb.parse_and_eval("pn_context_of_thread")
    except gdb.error:
        return []
    found = [context["task"]] if context["task"] else []
    for run in follow(context["runs"], "outer"):
        if run["task"] not in found:
            found.append(run["task"])
    return found


def tasks_of_deque(slot):
    deque, task = slot["deque"], pointer_to("pinion_task")
    for i in range(int(deque["top"]), int(deque["bottom"])):
        yield gdb.Value(int(deque["slots"][i % int(deque["size"])])).cast(task)


def tasks_of_lane(node):
    lane = node["lane"]
    for i in range(int(lane["ring_count"])):
        yield lane["ring"][(int(lane["ring_first"]) + i) % LANE_RING]
    task = lane["head"]
    while task:
        yield task
        task = gdb.Value(int(task["link"])).cast(task.type)


def nodes_of(crew):
    return [crew["nodes"][i] for i in range(int(crew["node_count"]))]


def title_of(crew):
    return "%s %d" % (crew["kind"]["noun"].string(), int(crew["id"]))


def node_name(node):
    number = int(node["node"])
    return "lane" if number == NO_NODE else "lane of node %d" % number


def standing(tasks):
    """Those in a queue that are still to be run; the others are tombstones."""
    return [task for task in tasks if task_is_queued(task)]


def task_is_queued(task):
    return KINDS[int(task["kind"])] == "concurrent" or int(task["state"]) & PHASE == 0


def task_line(task, where):
    return "0x%x  %-10s %-44s %s" % (int(task), KINDS[int(task["kind"])], where, function_of(task))


def print_running_tasks(with_frames):
    """Of all threads, and of fibers that sleep. Returns how many."""
    seats = [(thread_of(slot), name_of(slot)) for crew in crews() for slot in slots(crew)]
    names = {thread.num: name for thread, name in seats if thread}
    seen = set()
    for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
        found = in_thread(thread, tasks_of_thread)
        seen.update(int(task) for task in found)
        for task in found:
            print(task_line(task, "runs in thread %d, %s" % (
                thread.num, names.get(thread.num, "outside"))))
        if found and with_frames:
            in_thread(thread, print_frames)
    for fiber in fibers():
        task = fiber.task()
        if task and int(task) not in seen:
            seen.add(int(task))
            print(task_line(task, "fiber %d, %s" % (fiber.number, fiber.state())))
            if with_frames:
                fiber.backtrace()
    return len(seen)


def print_queued_tasks():
    count = 0
    for crew in crews():
        queues = [(tasks_of_deque(slot), name_of(slot)) for slot in slots(crew)]
        queues += [(tasks_of_lane(node), node_name(node)) for node in nodes_of(crew)]
        for tasks, name in queues:
            for task in standing(tasks):
                count += 1
                print(task_line(task, "queued: %s, %s" % (title_of(crew), name)))
    return count


def print_queue(queue):
    """A struct pinion_queue."""
    put, got = int(queue["put"]["position"]), int(queue["get"]["position"])
    capacity = int(queue["capacity"])
    words = ["%d of %d items of %d bytes" % (put // 2 - got // 2, capacity,
                                             int(queue["item_size"])) if capacity else
             "a rendezvous of items of %d bytes" % int(queue["item_size"])]
    if put & 1 or int(queue["is_closed"]):
        words.append("closed")
    for side, noun in ("put", "a put"), ("get", "a get"):
        if int(queue[side]["wanted"]):
            words.append(noun + " waits")
    print("0x%x  %s" % (int(queue.address), ", ".join(words)))


def queue_of(value):
    """The struct pinion_queue that an expression gives, by whatever name or pointer."""
    value = value.referenced_value() if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR \
        else value
    if str(value.type.unqualified().strip_typedefs()) != "struct pinion_queue":
        try:
            value = value["queue"]  # of PINION_QUEUE
        except gdb.error:
            raise gdb.GdbError("that is no struct pinion_queue") from None
    return value


# ---- commands ----

class Pinion(gdb.Command):
    """Looks at what pinion has in the program."""

    def __init__(self):
        super().__init__("pinion", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Fibers(gdb.Command):
    """Shows every fiber of every loop: pinion fibers [-bt]

    Its number, its address, its worker, its state, and the function of the task that it runs. -bt:
    and where it stands."""

    def __init__(self):
        super().__init__("pinion fibers", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        if argument not in ("", "-bt"):
            raise gdb.GdbError("usage: pinion fibers [-bt]")
        UNWINDER.set(None)
        found = fibers()
        for fiber in found:
            print(fiber.line())
            if argument:
                fiber.backtrace()
        print("%d fiber%s" % (len(found), "" if len(found) == 1 else "s"))
        lacking = count_lacking(found)
        if lacking:
            print("%d more can't be found: their stacks are above 4 MiB, or not in the core file "
                  "(see 'help pinion gcore')" % lacking)


class Backtrace(gdb.Command):
    """Shows where a fiber stands: pinion bt NUMBER|ADDRESS|all"""

    def __init__(self):
        super().__init__("pinion bt", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("usage: pinion bt NUMBER|ADDRESS|all")
        UNWINDER.set(None)
        for fiber in fibers() if argument == "all" else [named(argument)]:
            print(fiber.line())
            fiber.backtrace()


class Select(gdb.Command):
    """Puts a sleeping fiber's frames where the selected thread's are: pinion fiber [NUMBER|ADDRESS]

    From the selected one up: the innermost function stays the thread's, and means nothing
    meanwhile. Without a number, and when the program goes on, all is as it was."""

    def __init__(self):
        super().__init__("pinion fiber", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        UNWINDER.set(None)
        if not argument:
            return
        fiber = named(argument)
        if fiber.is_running:
            raise gdb.GdbError("it is %s: see there" % fiber.state())
        UNWINDER.set(registers_of(fiber.fiber))
        caller_of_all().select()
        gdb.execute("frame")


class Core(gdb.Command):
    """Writes a core file that has the stacks of fibers: pinion gcore FILE

    gdb's own generate-core-file leaves out of a mapping what follows the first page that can't be
    read, and the guards of stacks are such pages where the kernel marks them (Linux 6.13). Core
    files that the kernel writes have them."""

    def __init__(self):
        super().__init__("pinion gcore", gdb.COMMAND_DATA, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("usage: pinion gcore FILE")
        UNWINDER.set(None)
        gdb.execute("generate-core-file " + argument, to_string=True)
        with open(argument, "r+b") as core:
            segments = list(segments_of(core))
            for fiber in fibers():
                complete(core, segments, fiber.low, fiber.bytes)
        print("Saved core file %s" % argument)


def segments_of(core):
    """(address, bytes, where they are in the file) of what a core file has of memory."""
    header = core.read(64)
    at, = struct.unpack_from("=Q", header, 32)
    size, count = struct.unpack_from("=HH", header, 54)
    for i in range(count):
        core.seek(at + i * size)
        kind, _, offset, address, _, length = struct.unpack("=IIQQQQ", core.read(40))
        if kind == 1:  # PT_LOAD
            yield address, length, offset


def complete(core, segments, low, count):
    """Writes pages that may not have been written, but for those that are all 0."""
    for address, length, offset in segments:
        if address <= low < address + length:
            for page in range(low, min(low + count, address + length), PAGE):
                data = read(page, PAGE)
                if data and any(data):
                    core.seek(offset + page - address)
                    core.write(data)


class Workers(gdb.Command):
    """Shows every pool and loop with its workers: pinion workers [-bt]

    A worker's name, its thread, what that does, and how many tasks it has queued. -bt: and where
    its thread stands. A state is what the worker says of itself: of a thread of the program's, that
    it has a seat there."""

    def __init__(self):
        super().__init__("pinion workers", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        if argument not in ("", "-bt"):
            raise gdb.GdbError("usage: pinion workers [-bt]")
        UNWINDER.set(None)
        for crew in crews():
            print("%s: %d CPUs, %d threads of its own, %d reservations" % (
                title_of(crew), int(crew["cpu_count"]), int(crew["threads"]),
                int(crew["parallel_count"])))
            for slot in slots(crew):
                thread = thread_of(slot)
                print("  %-12s %-10s %-10s %d queued" % (
                    name_of(slot), "thread %d" % thread.num if thread else "-",
                    STATES[int(slot["counters"]["state"])] if thread else "-",
                    len(standing(tasks_of_deque(slot)))))
                if thread and argument:
                    in_thread(thread, print_frames)


class Tasks(gdb.Command):
    """Shows every task that has begun and not ended, or is queued: pinion tasks [-bt]

    Its address, its kind, where it is, and its function; of a thread that runs several, one within
    the other, the innermost first. Tasks that ran in their maker are part of that. -bt: and where
    those stand that have begun."""

    def __init__(self):
        super().__init__("pinion tasks", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        if argument not in ("", "-bt"):
            raise gdb.GdbError("usage: pinion tasks [-bt]")
        UNWINDER.set(None)
        begun, queued = print_running_tasks(bool(argument)), print_queued_tasks()
        print("%d begun, %d queued" % (begun, queued))


class Queues(gdb.Command):
    """Shows how much stands where: pinion queues [EXPRESSION]

    The queue of each worker and the lane of each node, in which outside threads queue: how many
    tasks, and how many tombstones of such as were run out of turn. EXPRESSION: instead, a struct
    pinion_queue of the program's, or a queue by PINION_QUEUE, or a pointer to one: how many items
    it has, and who waits at it."""

    def __init__(self):
        super().__init__("pinion queues", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        if argument:
            print_queue(queue_of(gdb.parse_and_eval(argument)))
            return
        for crew in crews():
            queues = [(name_of(slot), list(tasks_of_deque(slot))) for slot in slots(crew)]
            queues += [(node_name(node), list(tasks_of_lane(node))) for node in nodes_of(crew)]
            print(title_of(crew))
            for name, tasks in queues:
                count = len(standing(tasks))
                print("  %-16s %d tasks, %d tombstones" % (name, count, len(tasks) - count))


UNWINDER = Unwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)
gdb.events.cont.connect(lambda event: UNWINDER.set(None))
Pinion()
Workers()
Tasks()
Queues()
Fibers()
Backtrace()
Select()
Core()
