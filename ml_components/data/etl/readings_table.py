"""What the table of readings is, whoever writes it: etl_merge says the same through `shared.delta`, and a test that
it does."""

PARTITIONS = ("plant_id", "circuit_id")
KEY = (*PARTITIONS, "sensor", "time")
# Data assets pin versions for longer than Delta keeps its log: only a vacuum that knows the pins takes any away.
PROPERTIES = {"delta.enableExpiredLogCleanup": "false"}
FILES_A_PARTITION = 8  # more are compacted
