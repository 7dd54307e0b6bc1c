"""Rules that let a service of ours answer: use-service."""

from __future__ import annotations

from greenlb.model import Rule
from greenlb.policy.actions.words import REQUEST, Action, Words
from greenlb.policy.services import SERVICES
from greenlb.policy.vocabulary import nearest


def use_service(words: Words) -> Rule:
    name = words.take("the name of a service")
    if name not in SERVICES:
        known = ", ".join(SERVICES)
        raise ValueError(f"'{name}' is no service{nearest(name, SERVICES)}: there is {known}")
    slot = words.scope.services.named(name)
    return lambda x: slot()


ROWS = (
    Action(
        "use-service",
        (REQUEST,),
        "prometheus-exporter",
        "Answers with the figures of everything, for Prometheus.",
        use_service,
    ),
)
