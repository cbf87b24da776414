"""The forecast plots of a release set's models, as their training jobs drew them."""

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest, NotFound
from busbar.domain.policies import Stage
from busbar.web.reply import Reply
from busbar.web.shapes import FileReader, RecordReader

PLOT = "artifacts/forecast.png"  # what train_lstm calls it
PNG = b"\x89PNG\r\n\x1a\n"
HEADERS = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


def forecast(id: str, plant: str, circuit: str, *, records: RecordReader, ml: FileReader) -> Reply:
    """GET /releases/{id}/forecasts/{plant}/{circuit}: the plot of the model that the release set pins, and no other.

    A release set never changes, and neither does a finished job: whoever has seen the plot need not ask again.
    """
    try:
        key = CircuitKey.parse(f"{plant}/{circuit}")
        release = records.release(id) if id.isascii() and id.replace("-", "").isalnum() else None
        pins = release.pins if release else ()
        job = next((pin.job for pin in pins if pin.key == key), None)
        plot = ml.read_file(Stage.DEV, f"jobs/{job}/{PLOT}") if job else b""
    except (BadRequest, NotFound):
        plot = b""
    if not plot.startswith(PNG):
        return Reply(404, f"there is no forecast plot of {plant}/{circuit} in release set {id}")
    return Reply(200, content_type="image/png", headers=HEADERS, content=plot)
