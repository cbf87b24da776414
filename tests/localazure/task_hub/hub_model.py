"""What a task hub with four small orchestrators and an entity must come to, in the simplest words.

- `collector` collects events until it is told to stop, over many executions;
- `chain` waits for a month, then runs an activity that fails while something is broken;
- `parent` calls a `chain` as its child, under an id of its own choice;
- `locker` locks registers, reads the first, waits for a release, and writes it;
- the entity `register` holds a number.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

from localazure.task_hub.model import InstanceExists, InstanceFinished, NoSuchInstance, NotFailed, Status

MONTH = 30 * 24 * 3600.0
STOP = "stop"


@dataclass
class Run:
    """An instance."""

    kind: str
    input: Any
    due: float
    status: Status = Status.RUNNING
    output: Any = None
    events: list[Any] = field(default_factory=list[Any])  # raised, not taken
    collected: list[Any] = field(default_factory=list[Any])
    asked: bool = False  # for its locks
    granted: bool = False
    execution: int = field(default_factory=itertools.count().__next__)
    parent: tuple[str, int] | None = None  # who called it: instance and execution
    answer: tuple[Status, Any] | None = None  # how its child ended, not taken
    called: bool = False  # its child


@dataclass
class Register:
    """An entity. Messages are ("lock", instance, entities still to lock), ("add", n) or ("delete",)."""

    state: int | None = None
    holder: str | None = None
    arrived: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    delayed: list[tuple[float, tuple[Any, ...]]] = field(default_factory=list[tuple[float, tuple[Any, ...]]])


class Model:
    """Every operation gives the error it is answered with, None for success. `settle` follows each."""

    def __init__(self, now: float):
        self.now, self.broken = now, False
        self.runs: dict[str, Run] = {}
        self.registers = {"a": Register(), "b": Register()}

    def start(self, instance: str, kind: str, value: Any) -> type[Exception] | None:
        if instance in self.runs and not self.runs[instance].status.finished:
            return InstanceExists
        self.runs[instance] = Run(kind, value, self.now + MONTH)
        return None

    def restart(self, instance: str) -> type[Exception] | None:
        if instance not in self.runs:
            return NoSuchInstance
        return self.start(instance, self.runs[instance].kind, self.runs[instance].input)

    def raise_event(self, instance: str, value: Any) -> type[Exception] | None:
        if refusal := self._refusal(instance):
            return refusal
        self.runs[instance].events.append(value)
        return None

    def suspend(self, instance: str) -> type[Exception] | None:
        if refusal := self._refusal(instance):
            return refusal
        self.runs[instance].status = Status.SUSPENDED
        return None

    def resume(self, instance: str) -> type[Exception] | None:
        if refusal := self._refusal(instance):
            return refusal
        self.runs[instance].status = Status.RUNNING
        return None

    def terminate(self, instance: str, output: Any) -> type[Exception] | None:
        if refusal := self._refusal(instance):
            return refusal
        children = [name for name in self._children(instance) if not self.runs[name].status.finished]
        self._finish(instance, Status.TERMINATED, output)
        for child in children:
            self.terminate(child, output)
        return None

    def purge(self, instance: str) -> type[Exception] | None:
        if instance not in self.runs:
            return NoSuchInstance
        if not self.runs[instance].status.finished:
            return InstanceExists
        del self.runs[instance]
        return None

    def rewind(self, instance: str) -> type[Exception] | None:
        if instance not in self.runs:
            return NoSuchInstance
        if self.runs[instance].status != Status.FAILED:
            return NotFailed
        run = self.runs[instance]
        run.status, run.output = Status.RUNNING, None
        if run.kind == "parent":
            self._rewind_child(instance, run)
        return None

    def _rewind_child(self, instance: str, run: Run) -> None:
        own = self._children(instance)
        child = self.runs[own[0]] if own else None
        if child is not None and child.status == Status.FAILED:
            run.answer = None
            self.rewind(own[0])
        elif run.answer is None:
            if child is None:
                run.called = False
            elif child.status.finished:
                run.answer = (child.status, child.output)

    def signal(self, register: str, message: tuple[Any, ...], delay: float) -> None:
        if delay:
            self.registers[register].delayed.append((self.now + delay, message))
        else:
            self.registers[register].arrived.append(message)

    def settle(self) -> None:
        """Let everything happen that can happen by now."""
        while any([self._serve(one) for one in self.registers]) or any(
            [self._go_on(one) for one in list(self.runs)]
        ):
            pass

    def _refusal(self, instance: str) -> type[Exception] | None:
        if instance not in self.runs:
            return NoSuchInstance
        return InstanceFinished if self.runs[instance].status.finished else None

    def _serve(self, name: str) -> bool:
        """Take the next message: what has arrived at once goes before what was delayed."""
        register = self.registers[name]
        if register.holder is not None:
            return False
        due = sorted((when, n) for n, (when, _) in enumerate(register.delayed) if when <= self.now)
        if register.arrived:
            message = register.arrived.pop(0)
        elif due:
            _, message = register.delayed.pop(due[0][1])
        else:
            return False
        match message:
            case ("add", number):
                register.state = (register.state or 0) + number
            case ("delete",):
                register.state = None
            case ("lock", instance, rest):
                register.holder = instance
                if rest:
                    self.registers[rest[0]].arrived.append(("lock", instance, rest[1:]))
                else:
                    self.runs[instance].granted = True
        return True

    def _go_on(self, instance: str) -> bool:
        run = self.runs[instance]
        if run.status != Status.RUNNING:
            return False
        steps = {"collector": self._collect, "chain": self._wait, "parent": self._call, "locker": self._lock}
        return steps[run.kind](instance, run)

    def _collect(self, instance: str, run: Run) -> bool:
        if not run.events:
            return False
        event = run.events.pop(0)
        if event == STOP:
            self._finish(instance, Status.COMPLETED, run.collected)
        else:
            run.collected.append(event)
        return True

    def _wait(self, instance: str, run: Run) -> bool:
        if run.due > self.now:
            return False
        failed = self.broken
        self._finish(instance, Status.FAILED if failed else Status.COMPLETED, None if failed else run.input)
        return True

    def _call(self, instance: str, run: Run) -> bool:
        name = f"{instance}-child"
        if not run.called:
            run.called = True
            if self.start(name, "chain", run.input) is None:
                self.runs[name].parent = (instance, run.execution)
            else:
                run.answer = (Status.FAILED, None)
        elif run.answer is not None:
            status, output = run.answer
            run.answer = None
            completed = status == Status.COMPLETED
            self._finish(
                instance, Status.COMPLETED if completed else Status.FAILED, output if completed else None
            )
        else:
            return False
        return True

    def _children(self, instance: str) -> list[str]:
        """Those that this very execution called."""
        own = (instance, self.runs[instance].execution)
        return [name for name, run in self.runs.items() if run.parent == own]

    def _lock(self, instance: str, run: Run) -> bool:
        first, *rest = sorted(run.input["registers"])
        if not run.asked:
            run.asked = True
            self.registers[first].arrived.append(("lock", instance, rest))
        elif run.granted and run.events:
            before = self.registers[first].state or 0
            self.registers[first].state = before + run.input["amount"]
            self._finish(instance, Status.COMPLETED, before)
        else:
            return False
        return True

    def _finish(self, instance: str, status: Status, output: Any) -> None:
        """Locks and requests for locks end with their instance."""
        run = self.runs[instance]
        run.status, run.output = status, output
        for name, caller in self.runs.items():
            if run.parent == (name, caller.execution):
                caller.answer = (status, output)
        for register in self.registers.values():
            if register.holder == instance:
                register.holder = None
            register.arrived = [message for message in register.arrived if message[:2] != ("lock", instance)]
