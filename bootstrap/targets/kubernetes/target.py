"""A file with a Kubernetes Secret, for `kubectl apply -f FILE` and a pod's `envFrom`. No cluster is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from bootstrap.desired.resolve import SecretReader
from bootstrap.domain.variable import Variable
from bootstrap.errors import Malformed
from bootstrap.manifest.loader import Manifest
from bootstrap.targets.base import Content, Key
from bootstrap.targets.kubernetes import text as kubernetes_text
from bootstrap.targets.one_file import FileTarget
from bootstrap.util.files import expanded
from bootstrap.util.model import Model

ELSEWHERE = True  # only pods get the Secret's variables


class Options(Model):
    """`path`: relative to the manifest's folder. `name` and `namespace` of the Secret."""

    path: Annotated[str, Field(pattern=r"[^/]\.ya?ml$")] = "airflow-secret.yaml"
    name: Annotated[str, Field(min_length=1)] = "airflow-connections"
    namespace: Annotated[str, Field(min_length=1)] | None = None


class _Secret:
    def __init__(self, options: Options) -> None:
        self._options = options

    def spelt(self, key: Key) -> str:
        """Its variable, be there one or not."""
        return f"{key.kind} {key.name.upper()}"

    def read(self, text: str, keys: Sequence[Key], where: str) -> Mapping[Key, Content | Malformed]:
        """Each by the name of its variable."""
        for kind in ("connection", "variable"):
            kubernetes_text.variable_names(kind, [key.name for key in keys if key.kind == kind])
        if not text:
            return {}
        secret = kubernetes_text.read(text, where)
        found: dict[Key, Content | Malformed] = {}
        for key in keys:
            item = secret.connection(key.name) if key.kind == "connection" else secret.variable(key.name)
            if item is not None:
                found[key] = Variable(item) if isinstance(item, str) else item
        return found

    def index(self, text: str, where: str) -> str | None:
        """An annotation. A file that holds another Secret is an error before anything is compared."""
        kubernetes_text.require_secret(text, self._options.name, self._options.namespace, where)
        return kubernetes_text.read(text, where).index if text else None

    def merged(self, text: str, contents: Mapping[Key, Content | None], index: str, where: str) -> str:  # noqa: ARG002
        """Other keys, labels and annotations stay."""
        return kubernetes_text.render(
            self._options.name,
            self._options.namespace,
            {key.name: it for key, it in contents.items() if not isinstance(it, Variable) and key.kind == "connection"},
            {
                key.name: it.value if isinstance(it, Variable) else None
                for key, it in contents.items()
                if key.kind == "variable"
            },
            index,
            text or None,
        )


def open_target(options: Options, manifest: Manifest, _secrets: SecretReader) -> FileTarget:
    """The target; reads nothing yet."""
    file = (manifest.folder / expanded(options.path)).absolute()
    return FileTarget(file, _Secret(options), manifest.owner)
