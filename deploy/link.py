"""Put this checkout into its virtual environment: packages and the two console scripts.

`pip install -e .` would want setuptools from an index at build time; two small files do the same,
from the same metadata, offline.
"""

import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Verification's own processes import this file, too: they run nothing and import nothing of it.
SCRIPT = """#!{python}
if __name__ == "__main__":
    import sys

    from {module} import {function}

    sys.exit({function}())
"""


def main() -> None:
    """Write the .pth file, the distribution's metadata and the scripts."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    site = Path(sysconfig.get_path("purelib"))
    (site / "compliance_gateway.pth").write_text(f"{ROOT}\n")
    info = site / f"compliance_gateway-{project['version']}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (info / "RECORD").write_text("")
    (info / "INSTALLER").write_text("link\n")
    for name, target in project["scripts"].items():
        module, function = target.split(":")
        script = Path(sysconfig.get_path("scripts")) / name
        script.write_text(SCRIPT.format(python=sys.executable, module=module, function=function))
        script.chmod(0o755)


if __name__ == "__main__":
    main()
