"""An Airflow variable as a value: a text, which may be JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from bootstrap.domain.secret import fingerprint, mask


@dataclass(frozen=True)
class Variable:
    """`secret`: the value is masked in all output."""

    value: str = field(repr=False)
    secret: bool = field(default=False, compare=False)

    def fingerprints(self) -> dict[str, str]:
        """Of its only field."""
        return {"value": fingerprint(self.value)}

    def mask(self) -> None:
        """Mask a secret value in all output from now on."""
        if self.secret:
            mask(self.value)
