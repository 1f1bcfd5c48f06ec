"""A real pseudo-terminal, with a command at it."""

from __future__ import annotations

import os
import pty
import struct
import subprocess
import termios
from fcntl import ioctl

from tests.support.zexport_process import environment


def at_a_terminal(command: str, columns: int, typed: str = "") -> str:
    """Run a shell's command at a pseudo-terminal, and return all that stood there.

    :param typed: what is typed there, before anything asks for it.
    """
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = environment(TERM="xterm-256color")
    os.write(ours, typed.encode())
    with subprocess.Popen(["sh", "-c", command], stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # Linux has it so when the last one has closed the other side
                break
            if not piece:
                break
            written += piece
        process.wait(timeout=30)
    os.close(ours)
    return written.decode()
