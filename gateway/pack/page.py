"""The page that an auditor opens first. It runs no script and loads nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the page tells of this pack."""

    origin: str
    size: int
    first: int
    last: int
    begins: str
    ends: str
    made: str
    vkeys: Sequence[str]
    counts: Mapping[str, int]
    proofs: int
    policies: int


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
body{color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #d0d7de}
pre{background:#f6f8fa;padding:.8rem;overflow-x:auto;border-radius:6px}
code{font-family:ui-monospace,monospace;font-size:.9em}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #d0d7de;vertical-align:top}
.warn{background:#fff8c5;border:1px solid #d4a72c;padding:.6rem .8rem;border-radius:6px}
"""
_WORDS = (
    ("OK", "0", "Whole, and your own checkpoint says how long it must be."),
    ("OK_UNSEALED", "0", "The same, and there are entries behind the newest checkpoint."),
    ("PURGED, ERASED", "0", "The same; something is lawfully gone, as entries of the log say."),
    ("UNANCHORED", "3", "Whole as far as it reaches. Without a checkpoint of yours nothing says "
     "how far it should reach: a log that was cut short looks like this."),
    ("UNVERIFIABLE", "2", "It could not be checked: the key is another, or files are unreadable."),
    ("TAMPERED, MISSING, DUPLICATE_SEQ", "1", "Something is not what was signed; the first bad "
     "entry is named, and what still stands before and behind it."),
    ("FORK, ROLLBACK", "1", "Your checkpoint proves another history, or a longer one."),
    ("CRASH_TAIL", "1", "The files end in a torn write; what is signed holds."),
)  # fmt: skip
_CONTENTS = (
    ("log/", "the whole log as a C2SP tlog-tiles tree: checkpoint, tiles, entry bundles"),
    ("keys/", "public keys: the log's, and those that sign policy bundles"),
    ("rows.csv", "the entries asked for, one thing a row, with its place in the log"),
    ("events.ocsf.jsonl", "the same as OCSF 1.6.0 events"),
    ("proofs/", "one file an entry asked for, complete alone (C2SP tlog-proof)"),
    ("policies/", "the signed bundles that verdicts of these entries were given under"),
    ("verify.pyz", "the verifier; readable with any zip program"),
    ("MANIFEST.json", "the SHA-256 of every file here"),
)


def render_page(facts: PageFacts) -> str:
    """The page as HTML."""
    keys = "\n".join(escape(vkey) for vkey in facts.vkeys)
    counts = "".join(
        f"<tr><td><code>{escape(kind)}</code></td><td>{count:,}</td></tr>"
        for kind, count in sorted(facts.counts.items(), key=lambda one: (-one[1], one[0]))
    )
    words = "".join(
        f"<tr><td><b>{escape(word)}</b></td><td>{code}</td><td>{escape(text)}</td></tr>"
        for word, code, text in _WORDS
    )
    contents = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(text)}</td></tr>"
        for name, text in _CONTENTS
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Evidence of {escape(facts.origin)}</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>
<h1>Evidence of the log {escape(facts.origin)}</h1>
<p>{facts.size:,} entries under the newest signed checkpoint. Asked for: entries {facts.first:,} to
{facts.last:,}, from {escape(facts.begins)} to {escape(facts.ends)}. Made {escape(facts.made)};
{facts.proofs:,} proof files, {facts.policies:,} policy bundles.</p>
<h2>1. Check it in three minutes</h2>
<p>You need Python 3.11 or newer and one package: <code>pip install cryptography</code>. Unpack this
file, open a terminal in the folder, and run</p>
<pre>python3 verify.pyz log --key keys/log.vkey --checkpoint YOUR-OWN.checkpoint</pre>
<p class="warn"><b>Two things must not come from this pack.</b> The key: compare
<code>keys/log.vkey</code> with one that you were given earlier or by somebody else. The checkpoint:
any note that a collector, a witness or you yourself kept from this log, the newer the better.
Whoever made this pack could have made another key and a shorter log; they cannot have made your
checkpoint.</p>
<h2>2. What the answer means</h2>
<table><tr><th>word</th><th>exit</th><th>means</th></tr>{words}</table>
<h2>3. Check one decision</h2>
<pre>python3 verify.pyz proof proofs/N.tlog-proof --key keys/log.vkey</pre>
<p>N is the column <code>seq</code> of <code>rows.csv</code>. The proof holds the entry's bytes, the
hashes that lead from it to the signed checkpoint, and that checkpoint. Without our program: the
files keep to the public formats c2sp.org/tlog-tiles, tlog-proof and signed-note, and any tool for
those reads them.</p>
<h2>What is in this file</h2><table>{contents}</table>
<p>Not in it: what processes were called. Those names lie sealed beside the log, may be erased on
lawful request, and stand in entries only as commitments (<code>class</code>).</p>
<h2>The log's keys</h2><pre>{keys}</pre>
<h2>Entries asked for, by type</h2><table><tr><th>type</th><th>entries</th></tr>{counts}</table>
</body></html>
"""
