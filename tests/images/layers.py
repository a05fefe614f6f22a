"""Sizes and layers of an image, read out of what `docker save` writes."""

import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: the digest of its content, its size unpacked, and the step that made it."""

    digest: str
    size: int
    step: str

    @property
    def mb(self) -> float:
        """In millions of bytes."""
        return round(self.size / _MB, 1)


def layers(archive: Path) -> list[Layer]:
    """From the lowest to the highest."""
    with tarfile.open(archive) as saved:
        manifest = json.loads(_read(saved, "manifest.json"))[0]
        config = json.loads(_read(saved, manifest["Config"]))
        sizes = [saved.getmember(name).size for name in manifest["Layers"]]
    steps = [entry.get("created_by", "") for entry in config["history"] if not entry.get("empty_layer")]
    digests = config["rootfs"]["diff_ids"]
    return [Layer(*one) for one in zip(digests, sizes, steps, strict=True)]


def _read(saved: tarfile.TarFile, name: str) -> bytes:
    # Some savers write links from one name to another.
    member = saved.extractfile(name)
    assert member is not None
    return member.read()


def added(present: Sequence[Layer], former: Sequence[Layer]) -> list[Layer]:
    """Layers that the other image does not have."""
    known = {layer.digest for layer in former}
    return [layer for layer in present if layer.digest not in known]


def as_data(some: Sequence[Layer]) -> dict[str, Any]:
    """Their part of the report."""
    return {
        "mb": round(sum(layer.size for layer in some) / _MB, 1),
        "layers": [{"mb": layer.mb, "step": layer.step[:100]} for layer in some],
    }
