"""The only room that writes users: to files, stdout or a program; and reads them back.

May touch: the output's files and stdout. Promises: nothing is written that was not noted first; files are only added to
until they are published, and sealed (`sealing`); memory does not grow with the number of users (P6).
"""

from __future__ import annotations

from exporter.output.candidates import Candidates, Change, Written, read_changes
from exporter.output.channel import ChannelSink
from exporter.output.digest import Digest
from exporter.output.files import FileSink
from exporter.output.ids import IdIndex, RepeatedIds, WrittenIds
from exporter.output.reading import DAMAGE, id_of, open_plain, read_back
from exporter.output.sealing import NoRoomError, Sealed, Sealing
from exporter.output.sink import Sideloads, Sink
from exporter.output.stdout import StdoutSink

__all__ = [
    "DAMAGE",
    "Candidates",
    "Change",
    "ChannelSink",
    "Digest",
    "FileSink",
    "IdIndex",
    "NoRoomError",
    "RepeatedIds",
    "Sealed",
    "Sealing",
    "Sideloads",
    "Sink",
    "StdoutSink",
    "Written",
    "WrittenIds",
    "id_of",
    "open_plain",
    "read_back",
    "read_changes",
]
