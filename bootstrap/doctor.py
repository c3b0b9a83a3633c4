"""Checks what is missing on this machine, and names the command that fixes it. Only starts the embedded store, changes nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace

from bootstrap import plugins
from bootstrap.airflow.environment import Environment, installed_version, require_usable_paths
from bootstrap.airflow.releases import release
from bootstrap.desired.resolve import SecretReader, resolve_all
from bootstrap.domain.connection import Connection, normalize
from bootstrap.errors import (
    RESTORE_KEY,
    UNDECRYPTABLE,
    AirflowError,
    BootstrapError,
    Exit,
    Finding,
    NotFound,
    StoreError,
    failed,
)
from bootstrap.explain import surroundings
from bootstrap.explain.registered import has_rows
from bootstrap.manifest.loader import Manifest
from bootstrap.manifest.models import find_references
from bootstrap.providers.facts import known
from bootstrap.providers.installed import providers
from bootstrap.render import cfg_file, verify
from bootstrap.render.settings import credentials, from_commands, from_secrets, settings
from bootstrap.render.shadows import Shadowed
from bootstrap.scan.manifest import used
from bootstrap.smoke.run import packages_missing_for
from bootstrap.store_admin.policy import most
from bootstrap.stores import embedded
from bootstrap.stores.base import KnowsPlace, Privileged
from bootstrap.stores.kind import NeedsProvider, StoreKind
from bootstrap.targets.base import Key
from bootstrap.targets.metadata.target import Options as MetadataOptions
from bootstrap.targets.metadata.target import open_target as open_metadata
from bootstrap.util import git, special_files
from bootstrap.util.files import cache_folder, shown
from bootstrap.util.human import visible
from bootstrap.validation import hooks, values
from bootstrap.validation.check import check
from bootstrap.validation.hooks import install_command

_SHOWN = 5  # of what has all the same reason
__all__ = ["Finding", "config_options", "examine", "worst"]


def examine(manifest: Manifest, environment: Environment, secrets: SecretReader) -> Iterator[Finding]:
    """Each finding as it is made; meanwhile, a process looks into the DAGs."""
    with used.searching(manifest) as search:
        yield from _examine(manifest, environment, secrets)
        if search is not None:
            yield from _undeclared(manifest, search.found())


def _undeclared(manifest: Manifest, found: Mapping[str, used.Need] | None) -> Iterator[Finding]:
    """One line for all connections that the DAGs use and the manifest lacks."""
    if found is None:
        fix = "airflow-bootstrap scan"
        yield Finding("dags", "which connections they use could not be found out in time", fix, warning=True)
    elif missing := [*map(visible, used.undeclared(manifest, found))]:
        one = len(missing) == 1
        shown = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")
        message = (
            f"{len(missing)} connection{'' if one else 's'} that the DAGs use {'is' if one else 'are'} not declared"
        )
        yield Finding("dags", f"{message}: {shown}", "airflow-bootstrap scan --update", warning=True)


def _examine(manifest: Manifest, environment: Environment, secrets: SecretReader) -> Iterator[Finding]:
    yield _airflow(manifest)
    usable = installed_version() is not None
    if usable:
        yield _home(environment)
        yield from _dags(manifest)
    reachable = set()
    for name in manifest.stores:
        finding = _store(manifest, secrets, name)
        yield finding
        if finding.ok:
            reachable.add(name)
            yield from _excess(manifest, secrets, name)
    down = {name for name, store in manifest.stores.items() if store.kind == "embedded" and name not in reachable}
    if not any(source.store in down for source in manifest.sources):  # to say what they need, it would be started again
        yield from _backend(manifest)
        yield from surroundings.examine(manifest, environment)
    complete = reachable == set(manifest.stores)  # else every secret of that store would be reported again
    resolved = resolve_all(manifest, secrets, manifest.connections) if complete else {}
    errors = {conn_id: item for conn_id, item in resolved.items() if isinstance(item, StoreError)}
    yield from (_secret(manifest, secrets, conn_id, err) for conn_id, err in errors.items())
    if resolved and not errors:
        yield Finding("secrets", f"all there, for {len(resolved)} connections")
    found = {conn_id: item for conn_id, item in resolved.items() if isinstance(item, Connection)}
    if usable:
        yield from _providers(manifest, found)
    yield from _connections(manifest, found)
    yield from surroundings.connections(manifest, environment, found)
    if usable and has_rows(manifest) and environment.initialised:
        yield from rows(manifest, secrets)
    if complete:
        if manifest.config and _is_rendered(manifest, environment):
            yield from config_options(manifest, environment, secrets)
        else:
            yield from _config_secrets(manifest, secrets)


def _secret(manifest: Manifest, secrets: SecretReader, conn_id: str, err: StoreError) -> Finding:
    """What stands in a connection's way; of secrets that are missing, the command for each."""
    finding, fixes = failed("secret", err), []
    for _, reference in find_references(manifest.connections[conn_id]) if isinstance(err, NotFound) else ():
        try:
            secrets.value(reference)
        except NotFound as missing:
            fixes.append(missing.hint)
        except StoreError:
            continue
    return replace(finding, fix="; ".join(dict.fromkeys(fixes))) if len(fixes) > 1 and all(fixes) else finding


def _backend(manifest: Manifest) -> Iterator[Finding]:
    """What `render` would refuse. A store that can't be reached has been reported already."""
    if manifest.decides_airflow_cfg:
        try:
            settings(manifest)
        except StoreError:
            return
        except BootstrapError as err:
            yield failed("backend", err)


def worst(findings: list[Finding]) -> Exit:
    """The exit code that speaks for all: Airflow, then stores, then the rest."""
    return max((finding.exit_code for finding in findings), default=Exit.OK)


def _airflow(manifest: Manifest) -> Finding:
    found = installed_version()
    if found is None:
        return Finding("airflow", "not installed", "pip install 'airflow-bootstrap[airflow]'", Exit.AIRFLOW)
    try:
        release(found)
    except AirflowError as err:
        return failed("airflow", err)
    wanted = manifest.airflow.version
    if wanted is not None and not f"{found}.".startswith(f"{wanted}."):
        fix = "leave out airflow.version, if it is for this one"
        return Finding("airflow", f"{found}; the manifest's airflow.cfg is for {wanted}", fix, warning=True)
    return Finding("airflow", found)


def _providers(manifest: Manifest, connections: Mapping[str, Connection]) -> Iterator[Finding]:
    """What checks and the backend can't do without; what a conn_type comes with is a warning, as no DAG may need its hook."""
    said = {conn_id: spec.conn_type for conn_id, spec in manifest.connections.items()}
    types = {conn_id: normalize(conn_type) for conn_id, conn_type in said.items() if conn_type is not None}
    types |= {conn_id: found.conn_type for conn_id, found in connections.items()}  # secrets have the last word
    facts = known(types.values(), cache_folder(manifest.folder))
    needed = _needed(manifest)
    packages = {facts.package(conn_type) or "" for conn_type in types.values() if not facts.has(conn_type)} - {""}
    named = sorted({*needed, *packages})
    if named:
        code = Exit.AIRFLOW if needed else Exit.OK
        message = f"not installed: {', '.join(named)}"
        yield Finding("providers", message, install_command(named), code, warning=not needed)
    else:
        yield Finding("providers", "all installed")
    for conn_id, conn_type in types.items():
        if facts.package(conn_type) is None:
            for problem in hooks.unknown(conn_type, facts):
                yield Finding(f"connection {conn_id}", problem.message, problem.hint, warning=True)


def _needed(manifest: Manifest) -> set[str]:
    """The packages that checks and the backend need and that aren't installed."""
    checks = [spec for specs in manifest.checks.values() for spec in specs]
    missing = {package for spec in checks for package in packages_missing_for(manifest, spec)}
    for source in manifest.sources:
        if source.store is not None:
            kind = plugins.STORES.get(manifest.stores[source.store].kind, StoreKind)
            if isinstance(kind, NeedsProvider) and kind.PROVIDER not in providers().values():
                missing.add(kind.PROVIDER)
    return missing


def _connections(manifest: Manifest, connections: Mapping[str, Connection]) -> Iterator[Finding]:
    """Connections that can't work, or look like a mistake; unknown conn_types are reported with the providers."""
    for conn_id, problems in check(connections, cache_folder(manifest.folder)).items():
        for problem in problems:
            wrong = problem.severity == "error"
            if wrong or problem.field != "conn_type":
                code = Exit.FAILED if wrong else Exit.OK
                message = f"{problem.field}: {problem.message}"
                yield Finding(f"connection {conn_id}", message, problem.hint, code, warning=not wrong)


def rows(manifest: Manifest, secrets: SecretReader) -> Iterator[Finding]:
    """What Airflow can't decrypt of what the manifest registers in the metadata database, or has registered."""
    subject = "metadata database"
    keys = [Key("connection", name) for name in manifest.connections]
    keys += [Key("variable", name) for name in manifest.variables]
    try:
        with closing(open_metadata(MetadataOptions(), manifest, secrets)) as target:
            there = target.registered(dict.fromkeys(keys))
    except BootstrapError as err:
        yield failed(subject, err)
        return
    wrong = [found.malformed for found in there.values() if found.undecryptable]
    for message in wrong[:_SHOWN]:
        yield Finding(subject, message.removeprefix(f"{subject}: "), RESTORE_KEY, Exit.FAILED)
    if len(wrong) > _SHOWN:
        yield Finding(subject, f"and {len(wrong) - _SHOWN} more {UNDECRYPTABLE}", RESTORE_KEY, Exit.FAILED)


def _home(environment: Environment) -> Finding:
    database = environment.home / "airflow.db"
    try:
        require_usable_paths(environment)
    except AirflowError as err:
        return failed("home", err)
    if not environment.initialised:
        return Finding("home", f"{shown(environment.home)} (up creates it)")
    if (
        environment.keeps_own_database
        and not database.exists()
        and f"sqlite:///{database}" in special_files.read(environment.config).decode(errors="replace")
    ):
        fix = f"AIRFLOW_HOME={environment.home} airflow db migrate"
        return Finding("home", f"{environment.home} has no database", fix, Exit.AIRFLOW)
    if found := git.exposed(environment.config):
        fix = f"echo '*' > {environment.home / '.gitignore'}, or as much of it as git must not have"
        return Finding("home", f"{shown(environment.config)} can hold keys, and {found}", fix, warning=True)
    return Finding("home", shown(environment.home))


def _dags(manifest: Manifest) -> Iterator[Finding]:
    if manifest.airflow.dags is not None:
        folder = manifest.folder / manifest.airflow.dags
        if folder.is_dir():
            yield Finding("dags", str(folder))
        else:
            yield Finding("dags", f"there is no folder {folder}", f"mkdir -p {folder}", Exit.FAILED)


def _store(manifest: Manifest, secrets: SecretReader, name: str) -> Finding:
    subject = f"store {name}"
    if manifest.stores[name].kind == "embedded" and embedded.find_binary() is None:
        return Finding(subject, "there is no `bao` to run it", embedded.INSTALL_HINT, Exit.STORE)
    store = secrets.store(name)
    try:
        place = store.ping()
        if isinstance(store, KnowsPlace):
            store.check_place()
        return Finding(subject, place)
    except StoreError as err:
        return failed(subject, err)


def _excess(manifest: Manifest, secrets: SecretReader, name: str) -> Iterator[Finding]:
    """A warning for each thing that the store's credential may do far beyond what this tool's commands need."""
    store = secrets.store(name)
    if manifest.stores[name].kind == "embedded" or not isinstance(store, Privileged):  # its token is the tool's own
        return
    try:
        found = store.excess(most(manifest, secrets, name))
    except StoreError:  # what can't be told is no finding; if the store is down, its secrets will tell
        return
    for sentence in found:
        fix = f"airflow-bootstrap store policy {name}  # the least that it needs"
        yield Finding(f"store {name}", f"its credential {sentence}", fix, warning=True)


def config_options(manifest: Manifest, environment: Environment, secrets: SecretReader) -> Iterator[Finding]:
    """Whether Airflow gets each option of `config:` from its secrets backend, as it is there, or from a command."""
    found = {(section, option): reference for section, option, reference in from_secrets(manifest)}
    commands = list(from_commands(manifest))
    told = list(_config_secrets(manifest, secrets))
    yield from told
    if not (found or commands) or not all(finding.ok for finding in told):
        return
    try:
        with_credentials = environment.with_secrets(credentials(manifest))
        answers = verify.resolved([*found, *commands], with_credentials)
    except BootstrapError as err:
        yield failed("config", err)
        return
    for name in commands:
        if answers[name].blank:
            message = "white space stands around what its command prints, which Airflow reads as part of the value"
            yield Finding(f"config {'.'.join(name)}", message, "make it print only the value", warning=True)
    for (section, option), reference in found.items():
        subject = f"config {section}.{option}"
        if answers[section, option].fits(secrets.value(reference)):
            yield Finding(subject, f"Airflow gets it from {reference}")
        else:
            fix = f"airflow-bootstrap explain --config {section}.{option}"
            yield Finding(subject, f"Airflow gets another value than {reference} holds", fix, Exit.FAILED)


def _config_secrets(manifest: Manifest, secrets: SecretReader) -> Iterator[Finding]:
    for section, option, reference in from_secrets(manifest):
        subject = f"config {section}.{option}"
        try:
            text = secrets.value(reference).unmasked()
        except StoreError as err:
            yield failed(subject, err)
            continue
        if blank := values.blank(text):
            fix = f"airflow-bootstrap store put {reference}  # without it"
            yield Finding(subject, f"{blank}, which Airflow reads as part of the value", fix, warning=True)


def _is_rendered(manifest: Manifest, environment: Environment) -> bool:
    try:
        return environment.initialised and not cfg_file.render(settings(manifest), environment.config).changed
    except (AirflowError, Shadowed):  # which has been told
        return False
