"""What tests share: real processes with a bound on every wait, sample text, strict contexts."""

from pathlib import Path

from support.corpus import write_corpus
from support.process import Command, Finished, Zmr
from support.sockets import terminate

CHECKOUT = Path(__file__).resolve().parent.parent.parent

__all__ = ["CHECKOUT", "Command", "Finished", "Zmr", "terminate", "write_corpus"]
