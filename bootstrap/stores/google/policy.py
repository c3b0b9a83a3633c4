"""The least policy for a Google Secret Manager store, as gcloud commands and Terraform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from json import dumps

from bootstrap.stores.base import Context, Needs
from bootstrap.stores.google.options import Options

WRITES = (
    "secretmanager.secrets.get",
    "secretmanager.secrets.update",
    "secretmanager.versions.access",
    "secretmanager.versions.add",
    "secretmanager.versions.get",
)
CREATES = ("secretmanager.secrets.create",)
PRUNES = (
    "secretmanager.secrets.delete",
    "secretmanager.secrets.get",
    "secretmanager.versions.access",
    "secretmanager.versions.get",
)
DESTROYS = ("secretmanager.versions.destroy", "secretmanager.versions.get")
EXCESSIVE = {  # what nothing here needs, but the first where it prunes, and the second of what is rotated
    "secretmanager.secrets.delete": "may delete",
    "secretmanager.versions.destroy": "may destroy versions of",
    "secretmanager.secrets.setIamPolicy": "may let anybody read",
}
READER = "roles/secretmanager.secretAccessor"
_NAME_ME = "serviceAccount:NAME@PROJECT.iam.gserviceaccount.com"


def policy(options: Options, needs: Needs, _context: Context) -> Mapping[str, str]:
    """By the name of the tool. Who is allowed is left to fill in, unless the store's account is impersonated.

    Below a prefix, bindings of the project have a condition, which knows the project by its number. To create a secret
    is asked of the project itself, so no condition can narrow it.
    """
    rules = _Rules(options, needs)
    return {"gcloud": "\n".join(rules.gcloud()) + "\n", "terraform": "\n".join(rules.terraform()) + "\n"}


class _Rules:
    def __init__(self, options: Options, needs: Needs) -> None:
        self.options = options
        self.below = needs.below
        self.prune = needs.prune
        self.destroy = needs.destroy
        starts = tuple(f"{prefix}-" for prefix in needs.below)
        self.read = [path for path in needs.read if path not in needs.write and not path.startswith(starts)]
        self.write = [path for path in needs.write if not path.startswith(starts)]
        self.write_below = [
            prefix for prefix in needs.below if any(path.startswith(f"{prefix}-") for path in needs.write)
        ]
        impersonated = options.auth.impersonate
        self.member = f"serviceAccount:{impersonated[-1]}" if impersonated else _NAME_ME
        roles = {
            "Writer": (WRITES, self.write or self.write_below),
            "Creator": (CREATES, self.write_below),
            "Pruner": (PRUNES, self.prune),
            "Destroyer": (DESTROYS, self.destroy),
        }
        self.roles = {name: permissions for name, (permissions, needed) in roles.items() if needed}

    def start(self, number: str, prefix: str) -> str:
        """How the full names below a prefix begin."""
        place = f"/locations/{self.options.location}" if self.options.location else ""
        return f"projects/{number}{place}/secrets/{prefix}-"

    def gcloud(self) -> Iterator[str]:
        """Commands for a shell."""
        project, location = self.options.project, self.options.location
        where = f"--project {project}" + (f" --location {location}" if location else "")
        yield f"MEMBER={self.member}"
        if self.below or self.prune:
            yield f"NUMBER=$(gcloud projects describe {project} --format='value(projectNumber)')"
        for name, permissions in self.roles.items():
            role = f"airflowBootstrap{name}"
            yield f"gcloud iam roles create {role} --project {project} --permissions={','.join(permissions)}"
        own = f"projects/{project}/roles/airflowBootstrap"
        for paths, role in ((self.read, READER), (self.write, f"{own}Writer"), (self.destroy, f"{own}Destroyer")):
            for path in paths:
                if paths is self.write:
                    new = "" if location else " --replication-policy=automatic"
                    yield f"gcloud secrets describe {path} {where} || gcloud secrets create {path} {where}{new}"
                yield f'gcloud secrets add-iam-policy-binding {path} {where} --member="$MEMBER" --role={role}'
        bind = f'gcloud projects add-iam-policy-binding {project} --member="$MEMBER"'
        below = [(prefix, f"{own}Writer" if prefix in self.write_below else READER) for prefix in self.below]
        for prefix, role in (*below, *((prefix, f"{own}Pruner") for prefix in self.prune)):
            expression = rf"resource.name.startsWith(\"{self.start('$NUMBER', prefix)}\")"
            yield f'{bind} --role={role} --condition="title=below {prefix},expression={expression}"'
        if self.write_below:
            yield f"{bind} --role={own}Creator --condition=None"

    def terraform(self) -> Iterator[str]:
        """Resources of the provider hashicorp/google."""
        project = dumps(self.options.project)
        yield f'locals {{\n  member = "{self.member}"\n}}'
        if self.below or self.prune:
            yield f'\ndata "google_project" "this" {{\n  project_id = {project}\n}}'
        for name, permissions in self.roles.items():
            lines: tuple[str, ...] = (
                f"project     = {project}",
                f'role_id     = "airflowBootstrap{name}"',
                f'title       = "airflowBootstrap{name}"',
                f"permissions = {dumps(list(permissions))}",
            )
            yield _block("google_project_iam_custom_role", name.lower(), lines)
        reader, own = dumps(READER), "google_project_iam_custom_role"
        yield from self._terraform_secrets("read", self.read, reader)
        yield from self._terraform_secrets("write", self.write, f"{own}.writer.id")
        yield from self._terraform_secrets("destroy", self.destroy, f"{own}.destroyer.id")
        reading = [prefix for prefix in self.below if prefix not in self.write_below]
        yield from self._terraform_below("read_below", reading, reader)
        yield from self._terraform_below("write_below", self.write_below, f"{own}.writer.id")
        yield from self._terraform_below("prune_below", self.prune, f"{own}.pruner.id")
        if self.write_below:
            lines = (
                f"project = {project}",
                "role    = google_project_iam_custom_role.creator.id",
                "member  = local.member",
            )
            yield _block("google_project_iam_member", "create", lines)

    def _terraform_secrets(self, name: str, paths: Sequence[str], role: str) -> Iterator[str]:
        if paths:
            location = self.options.location
            kind = "google_secret_manager_regional_secret" if location else "google_secret_manager_secret"
            lines = [
                f"for_each  = toset({dumps(list(paths))})",
                f"project   = {dumps(self.options.project)}",
                "secret_id = each.value",
                f"role      = {role}",
                "member    = local.member",
            ]
            if location:
                lines.insert(2, f"location  = {dumps(location)}")
            yield _block(f"{kind}_iam_member", name, lines)

    def _terraform_below(self, name: str, prefixes: Sequence[str], role: str) -> Iterator[str]:
        if prefixes:
            start = self.start("${data.google_project.this.number}", "${each.value}")
            lines = (
                f"for_each = toset({dumps(list(prefixes))})",
                f"project  = {dumps(self.options.project)}",
                f"role     = {role}",
                "member   = local.member",
                "condition {",
                '  title      = "below ${each.value}"',
                rf'  expression = "resource.name.startsWith(\"{start}\")"',
                "}",
            )
            yield _block("google_project_iam_member", name, lines)


def _block(kind: str, name: str, lines: Sequence[str]) -> str:
    body = "\n".join(f"  {line}" for line in lines)
    return f'\nresource "{kind}" "{name}" {{\n{body}\n}}'
