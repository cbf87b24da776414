import pytest

from localazure.machine_learning.storage import Location, UnknownLocation, locate

LONG = "azureml://subscriptions/s/resourcegroups/g/workspaces/other/datastores/workspaceblobstore/paths/a/b/"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("azureml://datastores/workspaceblobstore/paths/a/b", Location("azureml-ws", "a/b")),
        (LONG, Location("azureml-other", "a/b")),
        ("abfss://raw@devstoreaccount1.dfs.core.windows.net/PLANT1/x.csv", Location("raw", "PLANT1/x.csv")),
        ("abfss://raw@devstoreaccount1.dfs.core.windows.net", Location("raw", "")),
        ("wasbs://raw@devstoreaccount1.blob.core.windows.net/a", Location("raw", "a")),
        ("https://devstoreaccount1.blob.localhost:10000/raw/a%20b", Location("raw", "a b")),
        ("https://127.0.0.1:10000/devstoreaccount1/raw/a", Location("raw", "a")),
    ],
)
def test_uris_are_located(uri: str, expected: Location) -> None:
    assert locate(uri, "ws") == expected


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "relative/path",
        "file:///etc/passwd",
        "https://example.com/a",
        "abfss://raw@other.dfs.core.windows.net/a",
        "https://",
    ],
)
def test_places_elsewhere_are_refused(uri: str) -> None:
    with pytest.raises(UnknownLocation, match="names no place"):
        locate(uri, "ws")
