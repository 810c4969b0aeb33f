"""Writes the vectors anew, byte for byte the same: python -m tests.vectors"""

from tests.vectors.files import write_all

write_all()
