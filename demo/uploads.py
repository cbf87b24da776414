"""Raw files into the blob container that the merge reads."""

import hashlib
import os
from collections.abc import Mapping, Sequence

from demo.plan import Plant

CONTAINER = "raw"


def upload(plants: Sequence[Plant], environment: Mapping[str, str]) -> int:
    """Make `<plant>/` in the raw container hold exactly the plant's file; how many were new or changed.

    A file that is there already is left alone: an upload, even of the same bytes, is news to the merge.
    `environment` is what the local Azure hands its clients.
    """
    os.environ.update(environment)  # where the Azure SDKs look for identity, certificates and addresses
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import BlobServiceClient

    uploaded = 0
    with BlobServiceClient(environment["LOCALAZURE_STORAGE_IP"], DefaultAzureCredential()) as service:
        container = service.get_container_client(CONTAINER)
        if not container.exists():
            container.create_container()
        for plant in plants:
            name, content = f"{plant.plant_id}/{plant.file.stem}.csv", plant.file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            known = {
                blob.name: (blob.metadata or {}).get("sha256")
                for blob in container.list_blobs(f"{plant.plant_id}/", include=["metadata"])
            }
            for other in known.keys() - {name}:
                container.delete_blob(other)
            if known.get(name) != digest:
                container.upload_blob(name, content, overwrite=True, metadata={"sha256": digest})
                uploaded += 1
    return uploaded
