"""What an orchestrator may not do, by the names of what it calls and reads; why not, and what to do instead."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sin:
    """`why` follows what was found in a sentence; a warning alone does not fail a check."""

    why: str
    instead: str
    warning: bool = False


CLOCK = Sin("reads the clock, and every replay reads another time", "ctx.current_utc_datetime")
SLEEP = Sin("blocks the host's thread and is waited for at every replay", "yield ctx.create_timer(...)")
RANDOM = Sin(
    "draws another number at every replay",
    "an activity, or random.Random(ctx.new_uuid()) for a fixed sequence",
)
UUID = Sin("gives another id at every replay", "ctx.new_uuid()")
ENVIRONMENT = Sin(
    "reads the process's surroundings, which may have changed at a replay",
    "the orchestration's input, or an activity",
)
IO = Sin("does I/O, which a replay does again and may find changed", "an activity")
HTTP = Sin("calls a service, which a replay does again and may find changed", "an activity, or ctx.call_http")
THREADS = Sin(
    "runs work that the host cannot replay", "activities, side by side with yield task.when_all([...])"
)
PRINT = Sin(
    "prints again at every replay", "an activity, or `if not ctx.is_replaying:` around it", warning=True
)
HASH = Sin("differs from process to process", "a value of the data, or hashlib")
ASYNC = Sin("cannot be replayed: an orchestrator is a generator", "def with `yield` instead of `await`")
GLOBAL = Sin("changes state that outlives the replay", "a local variable, an entity, or an activity")
SET_ORDER = Sin("goes through a set, whose order differs from process to process", "sorted(...)")
NO_REASON = Sin("allows something without saying why", "`# durable: allow <reason>`")

_CALLS: dict[Sin, tuple[str, ...]] = {
    CLOCK: (
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.asctime",
        "time.clock_gettime",
        "time.ctime",
        "time.gmtime",
        "time.localtime",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.process_time",
        "time.strftime",
        "time.thread_time",
        "time.time",
        "time.time_ns",
        "pandas.Timestamp.now",
        "django.utils.timezone.now",
    ),
    SLEEP: ("time.sleep", "asyncio.sleep"),
    UUID: ("uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "uuid.getnode"),
    RANDOM: ("random.", "secrets.", "numpy.random.", "os.urandom"),
    ENVIRONMENT: ("os.getenv", "os.getcwd", "os.getpid", "os.cpu_count", "platform.", "socket.gethostname"),
    HTTP: (
        "aiohttp.",
        "azure.ai.",
        "azure.communication.",
        "azure.cosmos.",
        "azure.data.",
        "azure.eventgrid.",
        "azure.identity.",
        "azure.keyvault.",
        "azure.monitor.",
        "azure.servicebus.",
        "azure.storage.",
        "boto3.",
        "ftplib.",
        "grpc.",
        "http.client.",
        "httpx.",
        "openai.",
        "requests.",
        "smtplib.",
        "socket.",
        "urllib.request.",
        "urllib3.",
        "websockets.",
    ),
    IO: (
        "input",
        "open",
        "glob.",
        "io.open",
        "os.",
        "psycopg.",
        "pyodbc.",
        "redis.",
        "shutil.",
        "sqlalchemy.",
        "sqlite3.",
        "subprocess.",
        "tempfile.",
    ),
    THREADS: ("asyncio.", "concurrent.futures.", "multiprocessing.", "threading."),
    PRINT: ("print", "pprint.pprint"),
    HASH: ("hash", "id"),
}
_SINS = {pattern: sin for sin, patterns in _CALLS.items() for pattern in patterns}

_PURE = frozenset(
    {
        "os.environ.get",  # found as a use of os.environ
        "os.fsdecode",
        "os.fsencode",
        "os.fspath",
        "os.path.basename",
        "os.path.commonpath",
        "os.path.commonprefix",
        "os.path.dirname",
        "os.path.isabs",
        "os.path.join",
        "os.path.normcase",
        "os.path.normpath",
        "os.path.split",
        "os.path.splitdrive",
        "os.path.splitext",
    }
)
# Methods of pathlib.Path that no other usual type has.
_PATH_METHODS = frozenset({"read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "rglob"})
_OF_A_NEW_PATH = frozenset(
    {"exists", "glob", "is_dir", "is_file", "mkdir", "open", "stat", "touch", "unlink"}
)
READ = {"os.environ": ENVIRONMENT, "os.environb": ENVIRONMENT, "sys.argv": ENVIRONMENT}
_OF_LISTS = ("append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort")
_OF_OTHERS = ("add", "appendleft", "discard", "popitem", "popleft", "setdefault", "update")
MUTATORS = frozenset({*_OF_LISTS, *_OF_OTHERS})


# With so many arguments they work on what they are given.
_PURE_WITH = {
    "random.Random": 1,
    "time.asctime": 1,
    "time.ctime": 1,
    "time.gmtime": 1,
    "time.localtime": 1,
    "time.strftime": 2,
}


def sin_of_call(name: str, *, arguments: int) -> Sin | None:
    """The sin of calling what has this dotted name, such as `datetime.datetime.now`."""
    if name in _PURE or (name in _PURE_WITH and arguments >= _PURE_WITH[name]):
        return None
    parts = name.split(".")
    packages = (".".join(parts[:count]) + "." for count in range(len(parts) - 1, 0, -1))
    return next((_SINS[pattern] for pattern in (name, *packages) if pattern in _SINS), None)


def sin_of_method(method: str, owner: str | None) -> Sin | None:
    """The sin of calling a method on a value; `owner` is the class when the value is made on the spot."""
    new_path = owner in ("pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath")
    return IO if method in _PATH_METHODS or (new_path and method in _OF_A_NEW_PATH) else None
