"""The main path: `engine` reads from top to bottom; `asking`, `sweep` and `meter` are its parts, `export` wires it up.

May touch: other rooms, by their doors; no network, no database and no file itself. Promises: those of the export as a
whole, P1 to P8.
"""

from __future__ import annotations

from exporter.engine.audit import CONFIDENCE, Audit, Auditor, audited_query
from exporter.engine.engine import Limits
from exporter.engine.export import Export, Options
from exporter.engine.finishing import users_of
from exporter.engine.probe import Probe, Probed

__all__ = [
    "CONFIDENCE",
    "Audit",
    "Auditor",
    "Export",
    "Limits",
    "Options",
    "Probe",
    "Probed",
    "audited_query",
    "users_of",
]
