"""The steps of a rotation, each of which may be done again.

| step | does | afterwards |
| --- | --- | --- |
| issue | the issuer makes a new key | both keys work, the new one is nowhere yet |
| stage | the new key is kept beside the secret | a crash can't lose it |
| verify | the connection's checks run with it, in a process that alone sees it | one that fails is destroyed; nothing has changed |
| promote | the secret gets it, by check-and-set, and so does what Airflow reads | new tasks use it; running ones still use the old key, which works |
| verify_live | the checks run as Airflow runs them | if they fail, the old key comes back |
| grace | nothing, for `grace:` | who still has the old key gets in |
| disable | the issuer refuses the old key, unless somebody used it lately | it can be enabled again |
| verify_disabled | the checks run once more | if they fail, the old key is enabled again |
| destroy | the issuer deletes the old key | |
| forget | what was kept beside the secret is gone | |

`enable` begins a way back instead of `issue` and `stage`; `abandon` ends one that came to nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from bootstrap.errors import IssuerDenied, NotFound
from bootstrap.issuers.base import Attempt
from bootstrap.issuers.kind import Installing
from bootstrap.rotation.candidate import content
from bootstrap.rotation.journal import Rotation, Side, StepName, now, over
from bootstrap.rotation.rotatable import InUse, Next, Proof, Refused, Work, settled
from bootstrap.stores.base import Retiring
from bootstrap.util.durations import shown


def _to(step: StepName, rotation: Rotation, **changed: object) -> Next:
    return Next(rotation.model_copy(update={"step": step, "failure": "", **changed}))


def issue(work: Work, rotation: Rotation) -> Next:
    """Make a key. After a crash here, first find the one whose secret was never written down."""
    if not work.fresh or rotation.doomed:
        rotation = _begun_anew(work, rotation)
    try:
        key = work.subject.issuer.issue(_attempt(rotation))
    except IssuerDenied as err:
        return Next(None, over(rotation, "abandoned", err.message), err)
    issued = rotation.model_copy(update={"step": "stage", "new": rotation.new.model_copy(update={"key": key.id})})
    work.journal.put(issued)
    until = f", until {key.expires:%Y-%m-%d}" if key.expires is not None else ""
    work.say(f"a new key: {key.id} of {work.subject.issuer.account}{until}")
    stored = work.subject.store.read(work.subject.path)
    if stored.version != issued.old.version:
        raise work.changed()
    work.keep(issued.run, content(stored), work.subject.filled(stored, key.fields))
    return _to("verify", issued)


def _attempt(rotation: Rotation) -> Attempt:
    return Attempt(rotation.run, rotation.since, rotation.old.key, rotation.known)


def _begun_anew(work: Work, rotation: Rotation) -> Rotation:
    """Take away what earlier attempts made in vain, and begin again with what there is now."""
    issuer = work.subject.issuer
    doomed = {*rotation.doomed, *(set(issuer.lost(_attempt(rotation))) - work.subject.others())} - {rotation.old.key}
    _take_all_away(work, rotation, doomed)
    stored = work.subject.store.read(work.subject.path)
    current = issuer.identify(work.subject.fields_of(stored))
    begun = rotation.model_copy(
        update={
            "doomed": (),
            "known": work.listed(),
            "since": now(),
            "old": Side(key=current, version=stored.version, slot="old"),
            "new": Side(slot="new"),
        }
    )
    work.journal.put(begun)
    return begun


def _take_all_away(work: Work, rotation: Rotation, doomed: set[str]) -> None:
    if doomed - set(rotation.doomed):
        work.journal.put(rotation.model_copy(update={"doomed": tuple(sorted(doomed))}))
    for key_id in sorted(doomed):
        work.take_away(key_id)
        work.say(f"the key {key_id} is of no use: it is gone")


def stage(work: Work, rotation: Rotation) -> Next:
    """Only after a crash does a run come here: the key is kept already, or its secret is lost and it is taken away."""
    if work.material.read(rotation.run) is not None:
        return _to("verify", rotation)
    return _to("issue", rotation, doomed=tuple(filter(None, (*rotation.doomed, rotation.new.key))))


def enable(work: Work, rotation: Rotation) -> Next:
    """The key that comes back can be used again."""
    if rotation.new.key is not None and work.can_disable:
        work.subject.issuer.enable(rotation.new.key)
    return _to("verify", rotation)


def verify(work: Work, rotation: Rotation) -> Next:
    """Prove the key before anybody uses it."""
    if isinstance(work.subject.issuer, Installing):
        work.say("this system takes one key at a time: the new one is proven once it is in use")
        return _to("promote", rotation)
    _, new = work.contents(rotation)
    proof = settled(lambda: work.subject.prove(new), work.subject.settle, work.say)
    if proof.state == "passed":
        work.say(f"the key {_named(rotation.new)} passes {_counted(proof)} where nobody else sees it")
        return _to("promote", rotation, proofs={**rotation.proofs, "verify": proof.checks})
    if proof.state == "undecided" or rotation.used:
        raise _failed(work, f"the key {_named(rotation.new)} could not be proven", proof)
    error = _failed(
        work, f"the new key {_named(rotation.new)} fails and is taken away; the one in use is untouched", proof
    )
    work.error = error
    return Next(rotation.model_copy(update={"step": "abandon", "failure": "", "reason": error.message}))


def abandon(work: Work, rotation: Rotation) -> Next:
    """Take a key away that was never in use."""
    lost = set() if work.fresh else set(work.subject.issuer.lost(_attempt(rotation))) - work.subject.others()
    kept = work.material.read(rotation.run)
    if kept is not None and work.holds(work.subject.store.read(work.subject.path), kept[rotation.new.slot]):
        raise work.changed()
    doomed = {*rotation.doomed, *lost, *filter(None, [rotation.new.key])} - {rotation.old.key}
    _take_all_away(work, rotation, doomed)
    work.forget()
    return Next(None, over(rotation, "abandoned"))


def promote(work: Work, rotation: Rotation) -> Next:
    """The secret gets the key, if it still holds the other; then whatever Airflow reads gets it."""
    subject = work.subject
    old, new = work.contents(rotation)
    stored = subject.store.read(subject.path)
    version = stored.version
    fields = subject.fields_of(new.stored())
    work.journal.require_ours()  # before `stored` was read, nobody had turned back; and whoever does now writes it anew
    if isinstance(subject.issuer, Installing):
        subject.issuer.install(rotation.new.key, fields)
    if not work.holds(stored, new):
        if not work.holds(stored, old):
            raise work.changed()
        version = subject.store.write(subject.path, subject.filled(stored, fields).payload(), expect=stored.version)
        work.say(f"{work.where} has the key {_named(rotation.new)} from now on")
    subject.publish()
    return _to("verify_live", rotation, new=rotation.new.model_copy(update={"version": version}))


def verify_live(work: Work, rotation: Rotation) -> Next:
    """Prove the key in use; one that fails gives way to the old one."""
    proof = settled(work.subject.prove_live, work.subject.settle, work.say)
    if proof.state == "passed":
        work.say(f"in use: {_counted(proof)} passed")
        return _to("grace", rotation, promoted=now(), proofs={**rotation.proofs, "verify_live": proof.checks})
    error = _failed(work, f"the key {_named(rotation.new)} fails in use", proof)
    if proof.state == "undecided" or rotation.back:
        raise error
    work.error = error
    work.say(f"{error.message}: back to the key {_named(rotation.old)}")
    return Next(turned(rotation).model_copy(update={"reason": error.message}))


def turned(rotation: Rotation) -> Rotation:
    """The rotation with its keys changing places."""
    changed = {
        "old": rotation.new,
        "new": rotation.old,
        "back": not rotation.back,
        "used": True,
        "step": "enable",
        "promoted": None,
    }
    return rotation.model_copy(update=changed)


def grace(work: Work, rotation: Rotation) -> Next | None:
    """Leave both keys as they are until the time has come and nobody uses the old one. None: not yet."""
    if now() < due(rotation, work.subject.grace):
        return None
    if rotation.old.key is None or rotation.old.key == rotation.new.key:
        work.say("which key was in use before can't be told: it is left as it is")
        return _to("forget", rotation)
    used = _used_lately(work, rotation)
    if used and not work.despite_use and not work.voice.ask(f"{work.subject.name}: {used}. Disable it all the same?"):
        hint = f"find who uses it; or airflow-bootstrap rotate {work.subject.name} --due --despite-use"
        raise InUse(f"{work.subject.name}: {used}: it is left as it is", hint)
    return _to("disable", rotation)


def due(rotation: Rotation, grace: timedelta) -> datetime:
    """When the old key may go."""
    return (rotation.promoted or rotation.began) + grace


def _used_lately(work: Work, rotation: Rotation) -> str:
    """A sentence on the old key's recent use; '' if there was none, as far as the system tells."""
    listed = work.subject.issuer.keys()
    found = next((key for key in listed if key.id == rotation.old.key), None)
    if found is None:
        return ""
    if found.sessions:
        return f"{found.sessions} session(s) use the old key {found.id} right now"
    since = max(due(rotation, timedelta(0)), now() - work.subject.grace / 2)
    if found.last_used is not None and found.last_used > since:
        return f"the old key {found.id} was used {shown(now() - found.last_used)} ago"
    return ""


def disable(work: Work, rotation: Rotation) -> Next:
    """The issuer refuses the old key from now on."""
    _require_new(work, rotation)
    if not work.can_disable:
        work.say(f"{work.subject.issuer_name} can't disable a key for a while: the old one is destroyed at once")
        return _to("destroy", rotation)
    work.journal.require_ours()
    work.subject.issuer.disable(str(rotation.old.key))
    return _to("verify_disabled", rotation)


def _require_new(work: Work, rotation: Rotation) -> None:
    """Raises Conflict unless the secret holds the new key: else the old one might be all there is."""
    _, new = work.contents(rotation)
    if not work.holds(work.subject.store.read(work.subject.path), new):
        raise work.changed()


def verify_disabled(work: Work, rotation: Rotation) -> Next:
    """Prove that nothing needs the old key; else it is enabled again, as a run may have done that was killed here."""
    if not work.fresh:
        return _to("disable", rotation)
    proof = settled(work.subject.prove_live, timedelta(0), work.say)
    if proof.state == "passed":
        return _to("destroy", rotation, proofs={**rotation.proofs, "verify_disabled": proof.checks})
    error = _failed(work, "checks fail since the old key is disabled", proof)
    if proof.state == "undecided":
        raise error
    work.subject.issuer.enable(str(rotation.old.key))
    return Next(rotation.model_copy(update={"step": "grace", "failure": error.message}), error=error)


def destroy(work: Work, rotation: Rotation) -> Next:
    """The old key is gone."""
    _require_new(work, rotation)
    work.journal.require_ours()
    work.subject.issuer.destroy(str(rotation.old.key))
    work.say(f"the old key {rotation.old.key} is gone")
    return _to("forget", rotation)


def forget(work: Work, rotation: Rotation) -> Next:
    """What was kept of the old key is gone, too."""
    store = work.subject.store
    version = work.subject.store.read(work.subject.path).version
    if rotation.old.version not in {None, version} and isinstance(store, Retiring):
        with contextlib.suppress(NotFound):
            store.destroy(work.subject.path, rotation.old.version)
    work.forget()
    return Next(None, over(rotation, "rolled back" if rotation.back else "rotated"))


def _named(side: Side) -> str:
    return side.key or "before"


def _counted(proof: Proof) -> str:
    return f"{len(proof.checks)} check{'' if len(proof.checks) == 1 else 's'}"


def _failed(work: Work, what: str, proof: Proof) -> Refused:
    return Refused(f"{work.subject.name}: {what} ({proof.cause}: {proof.why})", proof.hint, proof.exit_code)


STEPS: Mapping[StepName, Callable[[Work, Rotation], Next | None]] = {
    "issue": issue,
    "stage": stage,
    "verify": verify,
    "promote": promote,
    "verify_live": verify_live,
    "grace": grace,
    "disable": disable,
    "verify_disabled": verify_disabled,
    "destroy": destroy,
    "forget": forget,
    "enable": enable,
    "abandon": abandon,
}
