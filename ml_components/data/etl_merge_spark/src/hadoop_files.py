"""Files wherever Spark's own file systems reach: abfss, azureml, a local folder; with Spark's identity."""

from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession
from shared.errors import InputError
from shared.storage import StoredFile


class Files:
    """What the driver does with files itself; what is in raw files only the executors see."""

    def __init__(self, spark: SparkSession) -> None:
        self._jvm: Any = spark.sparkContext._jvm
        self._configuration = spark.sparkContext._jsc.hadoopConfiguration()

    def below(self, folder: str) -> dict[str, StoredFile]:
        """Everything below a folder: whole path → the file, named relative to the folder."""
        system, root = self._open(folder)
        if not system.exists(root):
            return {}
        prefix = system.makeQualified(root).toString().rstrip("/") + "/"
        found: dict[str, StoredFile] = {}
        listed = system.listFiles(root, True)
        while listed.hasNext():
            status = listed.next()
            path = status.getPath().toString()
            written = datetime.fromtimestamp(status.getModificationTime() / 1000, UTC)
            found[path] = StoredFile(path.removeprefix(prefix), status.getLen(), written)
        return found

    def read_text(self, path: str) -> str:
        """A small file's text; raises `InputError` when it is not there, or no UTF-8."""
        system, place = self._open(path)
        if not system.exists(place):
            raise InputError(f"{path} does not exist")
        stream = system.open(place)
        try:
            return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream)).decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is no UTF-8 text: {error}") from error
        finally:
            stream.close()

    def write_text(self, path: str, text: str) -> None:
        """Write a small file, over one that is there."""
        system, place = self._open(path)
        stream = system.create(place, True)
        stream.write(bytearray(text.encode()))
        stream.close()

    def _open(self, path: str) -> tuple[Any, Any]:
        place = self._jvm.org.apache.hadoop.fs.Path(path)
        return place.getFileSystem(self._configuration), place
