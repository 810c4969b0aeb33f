#!/usr/bin/env bash
# Regenerates the pinned requirements. Needs uv on PATH (UV=... to name another).
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-uv}
compile() { "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --custom-compile-command 'make requirements' "$@" pyproject.toml; }
compile --extra server --extra s3 --extra collector -o requirements/runtime.txt
compile --extra server --extra s3 --extra collector --extra dev -c requirements/runtime.txt -o requirements/dev.txt
