"""A KServe `InferenceService` for a model repository of Triton, as a YAML manifest.

KServe copies what lies at `storageUri` and starts Triton on it; the repository of `triton.py` must
be put there. Written by hand, for the line has no YAML library; every string is JSON's, which YAML
takes.

Source: KServe's API reference, serving.kserve.io/v1beta1.
"""

import errno
import json
import os
import re
from pathlib import Path

from stripsight.atomic import check_writable, make_folder, write_atomically
from stripsight.bundle.folder import Bundle
from stripsight.errors import UsageError
from stripsight.export.triton import make_model_name

STORAGE = "pvc://models"
"""Where a repository is looked for unless said otherwise: a volume claim called `models`."""

_SCHEMES = ("pvc", "s3", "gs", "hdfs", "webhdfs", "https", "http", "oci", "abfs")


def write_kserve_manifest(
    bundle: Bundle, file: Path, storage_uri: str = STORAGE, *, name: str | None = None
) -> None:
    """Write the manifest in one step.

    Args:
        bundle: opened; its id goes into the manifest.
        file: such as `service.yaml`; replaced where it is there, its folder made where it is not.
        storage_uri: of the model repository, as the cluster reaches it.
        name: of the model, which the service is called after; None: the bundle's.

    Raises:
        UsageError: a storage URI that is none.
        OSError: it cannot be written.
    """
    text = build_kserve_manifest(bundle, storage_uri, name=name)
    with make_folder(file.parent):
        write_atomically(file, text.encode())


def check_service_file(file: Path) -> None:
    """Refuse now what could not be written after long work.

    Raises:
        OSError: it is a folder, or cannot be written.
    """
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    check_writable(file.parent)


def build_kserve_manifest(
    bundle: Bundle, storage_uri: str = STORAGE, *, name: str | None = None
) -> str:
    """The manifest as text.

    Raises:
        UsageError: a storage URI that is none.
    """
    scheme = storage_uri.partition("://")[0]
    if scheme not in _SCHEMES or re.search(r"\s", storage_uri) or not storage_uri.isprintable():
        raise UsageError(
            f"{storage_uri!r} is no storage URI: {STORAGE}, s3://bucket/models, or the like"
        )
    model = make_model_name(bundle.manifest.name if name is None else name)
    # A Kubernetes name begins with a letter.
    service = model if model[0].isalpha() else f"m-{model}"[:63].rstrip("-")
    return f"""\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {json.dumps(service)}
  annotations:
    stripsight/bundle-id: {json.dumps(bundle.manifest.bundle_id)}
spec:
  predictor:
    model:
      modelFormat:
        name: triton
      runtime: kserve-tritonserver
      protocolVersion: v2
      storageUri: {json.dumps(storage_uri)}
      resources:
        requests:
          cpu: "2"
          memory: 2Gi
        limits:
          memory: 4Gi
"""
