"""`gateway demo`: the whole product on this machine's own processes, told as a story."""

from gateway.demo.story import run_demo

__all__ = ["run_demo"]
