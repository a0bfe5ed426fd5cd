"""What a process found wrong with the configuration, as a ConfigurationState shows it.

Unlike in MetalLB it is written only when what it says changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kube.faults import Fault
from kube.objects import Json

COMPONENT_LABEL = "metallb.io/component-type"
NODE_LABEL = "metallb.io/node-name"
POOLS_VALID = "poolReconcilerValid"
"MetalLB's name of the controller's condition, and of the speaker's."
CONFIGURATION_VALID = "configReconcilerValid"
ADVICE = "advice: "
MAX_SUMMARY = 8192
"""Of an object that thousands of faults must not make too large for etcd."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The faults that refuse something, and the advice, one line each, sorted."""

    lines: tuple[str, ...] = ()
    condition: str = POOLS_VALID
    notes: tuple[str, ...] = ()
    "Advice: said in the condition's message, and the configuration stays Valid."

    @property
    def summary(self) -> str:
        """The lines as one text, cut to a bearable length."""
        return "\n".join(self.lines)[:MAX_SUMMARY]

    @property
    def message(self) -> str:
        """What the condition says: the faults, then the advice."""
        said = (*self.lines, *(f"{ADVICE}{note}" for note in self.notes))
        return "\n".join(said)[:MAX_SUMMARY]

    def status(self, when: str) -> Json:
        """Return `ConfigurationState.status`; `when` is RFC 3339."""
        wrong = bool(self.lines)
        return {
            "result": "Invalid" if wrong else "Valid",
            "errorSummary": self.summary,
            "conditions": [
                {
                    "type": self.condition,
                    "status": "False" if wrong else "True",
                    "reason": "ConfigurationError" if wrong else "Reconciled",
                    "message": self.message,
                    "lastTransitionTime": when,
                }
            ],
        }

    def shown_by(self, status: Json) -> bool:
        """Tell whether the status says the same already."""
        result, summary = status.get("result"), status.get("errorSummary") or ""
        conditions = status.get("conditions") or [{"message": summary}]
        said = (result, summary, conditions[0].get("message") or "")
        return said == ("Invalid" if self.lines else "Valid", self.summary, self.message)


def notes_of(faults: Iterable[Fault]) -> tuple[str, ...]:
    """Return a verdict's notes: what is used as it is, and may not be meant so."""
    return tuple(sorted({str(fault) for fault in faults if not fault.refused}))


def lines_of(faults: Iterable[Fault]) -> tuple[str, ...]:
    """Return a verdict's lines; advice is no fault."""
    return tuple(sorted({str(fault) for fault in faults if fault.refused}))
