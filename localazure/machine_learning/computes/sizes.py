"""The virtual machine sizes that computes can have here: a selection of Azure's."""

from dataclasses import dataclass

from localazure.machine_learning.routing import Json


@dataclass(frozen=True)
class Size:
    """`family` is the name of its quota; memory in GB, disks in MB."""

    name: str
    family: str
    cores: int
    gpus: int
    memory: float
    disk: int

    def shown(self) -> Json:
        return {
            "name": self.name,
            "family": self.family,
            "vCPUs": self.cores,
            "gpus": self.gpus,
            "osVhdSizeMB": 1047552,
            "maxResourceVolumeMB": self.disk,
            "memoryGB": self.memory,
            "lowPriorityCapable": True,
            "premiumIO": "s_" in self.name.lower() or "ds" in self.name.lower(),
            "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
        }


SIZES = tuple(
    Size(*row)
    for row in (
        ("Standard_DS1_v2", "standardDSv2Family", 1, 0, 3.5, 7168),
        ("Standard_DS2_v2", "standardDSv2Family", 2, 0, 7.0, 14336),
        ("Standard_DS3_v2", "standardDSv2Family", 4, 0, 14.0, 28672),
        ("Standard_DS4_v2", "standardDSv2Family", 8, 0, 28.0, 57344),
        ("Standard_DS5_v2", "standardDSv2Family", 16, 0, 56.0, 114688),
        ("Standard_D2s_v3", "standardDSv3Family", 2, 0, 8.0, 16384),
        ("Standard_D4s_v3", "standardDSv3Family", 4, 0, 16.0, 32768),
        ("Standard_D8s_v3", "standardDSv3Family", 8, 0, 32.0, 65536),
        ("Standard_D16s_v3", "standardDSv3Family", 16, 0, 64.0, 131072),
        ("Standard_E4s_v3", "standardESv3Family", 4, 0, 32.0, 65536),
        ("Standard_E8s_v3", "standardESv3Family", 8, 0, 64.0, 131072),
        ("Standard_F4s_v2", "standardFSv2Family", 4, 0, 8.0, 32768),
        ("Standard_F16s_v2", "standardFSv2Family", 16, 0, 32.0, 131072),
        ("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, 1, 28.0, 180224),
        ("Standard_NC6s_v3", "standardNCSv3Family", 6, 1, 112.0, 344064),
        ("Standard_NC24ads_A100_v4", "StandardNCADSA100v4Family", 24, 1, 220.0, 65536),
    )
)
_BY_NAME = {size.name.lower(): size for size in SIZES}


def size(name: str) -> Size | None:
    return _BY_NAME.get(name.lower())
